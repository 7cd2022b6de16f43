// How fast a device is, as far as an estimate needs to know it: measured on the fleet itself (server/estimate), or, for
// kinds of devices that docs/benchmarks.md has figures of, from there.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "cost/block_shape.h"
#include "cost/pruning_options.h"

namespace besa::cost {

struct DeviceProfile {
  // "NVIDIA H200", "AMD EPYC 9R14".
  std::string model;
  bool cuda = false;

  // FLOP/s, counted as block_flops.h counts them: of the dense forward pass in which statistics are taken; of a walk,
  // which takes none; of the training; of recovery; of an evaluation, its head included; of SparseGPT's Hessians and
  // solving (see SolvingFlops), 0 if nobody knows.
  double forward = 0.0;
  double walk = 0.0;
  double training = 0.0;
  double recovery = 0.0;
  double evaluation = 0.0;
  double solving = 0.0;
  // What a step of the training, and of recovery, takes beyond its arithmetic at these rates: masks, histograms, the
  // optimiser, launches. It does not grow with the samples of a step.
  double training_step_seconds = 0.0;
  double recovery_step_seconds = 0.0;

  // Seconds beside moving bytes and arithmetic: of loading a block, of writing one, of the passthrough task, of
  // publishing; and of every task, between its lease and its commit.
  double load_seconds = 0.0;
  double write_seconds = 0.0;
  double passthrough_seconds = 0.0;
  double publish_seconds = 0.0;
  double task_seconds = 0.0;
  // At which a block's result comes from the device; 0: it need not.
  double copy_bytes_per_second = 0.0;
  // At which texts are turned into tokens, counted in bytes of their files; 0: nobody knows.
  double text_bytes_per_second = 0.0;

  // What these figures rest on, a sentence each.
  std::vector<std::string> basis;
};

// FLOPs of what SparseGPT does beyond the forward pass: the Hessian of every group of linears, its inverse, and the
// update of the weights.
double SolvingFlops(const BlockShape& shape, int64_t samples, int64_t length);

// The figures of docs/benchmarks.md for a kind of device, "h200", "h100" or "cpu", or for a model whose name tells its
// kind ("NVIDIA H200"), for blocks of so many weights in their linears. nullopt if there are none. Pure.
std::optional<DeviceProfile> KnownDevice(absl::string_view kind_or_model, int64_t block_weights);

}  // namespace besa::cost
