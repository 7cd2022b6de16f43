// What a job would take: hours, device memory, bytes to and from the store. A pure function of the job, the
// checkpoint's shape, and how fast the device is; who prunes what is decided by the coordinator's own scheduling
// functions, in simulated time (server/simulator). docs/adr/0013 says why it is done so.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "besa/v1/prune_service.pb.h"
#include "cost/device_profile.h"
#include "server/estimate/checkpoint_bytes.h"
#include "storage/checkpoint/model_config.h"

namespace besa::server {

struct EstimateInput {
  // With every default filled in.
  v1::JobSpec spec;
  v1::ModelSummary model;
  storage::ModelConfig config;
  CheckpointBytes bytes;
  // Of the files of all texts, those to calibrate on and those to evaluate on.
  int64_t text_bytes = 0;
  // Of each text to evaluate on, in the spec's order.
  std::vector<int64_t> evaluation_windows;
  // What else the figures rest on, a sentence each.
  std::vector<std::string> basis;
  v1::Activations activations = v1::ACTIVATIONS_WALKED;
  cost::DeviceProfile device;
  // All alike, at least one.
  int32_t workers = 1;
  // That a worker moves to or from the store in a second.
  double bytes_per_second = 0.0;
  // Publishing gives committed files a second name instead of copying them: ObjectStore::Share.
  bool shares_output = false;
};

v1::EstimateJobResponse Estimate(const EstimateInput& input);

// Forward passes of all windows that pruning a block takes in the sequential schedule, to carry the streams on, beside
// that in which statistics are taken.
struct ForwardPasses {
  // Through the block before it, as it was committed, in the stage "walk".
  int walk = 0;
  // The dense stream through the block, in the stage "statistics".
  bool dense_stream = false;
};
ForwardPasses ForwardPassesOf(const cost::BesaOptions& options);

// FLOPs of an evaluation of so many windows by one model, its head included.
double EvaluationFlops(const storage::ModelConfig& config, int64_t windows, int64_t length);

}  // namespace besa::server
