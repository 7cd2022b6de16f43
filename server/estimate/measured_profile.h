// How fast the fleet's own devices are, from what earlier jobs measured: seconds by stage of every committed task, set
// against the arithmetic and the bytes that the task had.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "besa/v1/job.pb.h"
#include "besa/v1/task.pb.h"
#include "cost/block_shape.h"
#include "cost/device_profile.h"

namespace besa::server {

// A job that succeeded.
struct EarlierJob {
  v1::Job job;
  std::vector<v1::Task> tasks;
};

// What was computed on, as TaskResult.numerics tells it.
struct DeviceClass {
  // As ListWorkers gives it: Device.model.
  std::string model;
  bool cuda = false;
  bool bfloat16 = false;
  // On a CPU; 0: however many.
  int threads = 0;
};

// How far the blocks of a job's model are from that shape in size: the logarithm of the ratio, without its sign.
double DistanceOf(const v1::ModelSummary& model, const cost::BlockShape& shape);

// Whether the task's numbers come from such a device.
bool IsOf(const v1::TaskResult& result, const DeviceClass& device);

// The profile of `device` for a job of blocks of that shape, by the jobs whose blocks are nearest to it in size: each
// figure from the nearest that has it, those of the same schedule first. nullopt if no block was pruned on such a
// device.
//
// A step of the training is taken for arithmetic as fast as the forward pass of the same block, and what is left for
// work that does not grow with the samples of a step. What no job shows is taken from what is next to it: a walk is as
// fast as the pass that takes statistics, recovery as the training. `bytes_per_second` is what Estimate will be given:
// times beside the moving of bytes are counted by it. Pure.
std::optional<cost::DeviceProfile> MeasuredProfile(const std::vector<EarlierJob>& jobs, const DeviceClass& device,
                                                   const cost::BlockShape& shape, v1::Schedule schedule,
                                                   double bytes_per_second);

}  // namespace besa::server
