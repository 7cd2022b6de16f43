// How long the engine takes for a block, and how long the arithmetic alone would.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "storage/base/clock.h"
#include "storage/checkpoint/model_config.h"
#include "worker/pruner/pruner.h"

namespace besa::bench {

struct BlockBenchRequest {
  storage::ModelConfig config;
  int64_t samples = 128;
  int64_t length = 2048;
  // The first one sets everything up and does not count; at least 2.
  int64_t blocks = 3;
  // The sequential schedule goes on from the blocks as the engine gave them.
  pruner::BesaOptions options;
  // The engine is one of so many that do this together; 0: it works alone.
  int ranks = 0;
  // This one's number among them.
  int rank = 0;
  // `blocks` sharded sweeps instead, in each of which every rank prunes a block of its own.
  bool sharded = false;
  std::optional<pruner::ComputeType> compute;
  // On a GPU: one block more, whose training is traced.
  bool kernels = false;
};

struct BlockBenchResult {
  // Of a block (or of a sharded sweep), the mean over those that count: by stage, and from call to call.
  std::vector<pruner::StageSeconds> stages;
  double seconds = 0.0;
  // Blocks that were pruned in that time by all ranks.
  int64_t blocks_at_once = 1;
  // Of a group: what the engine would choose for as many blocks, and why.
  std::optional<pruner::GroupChoice> choice;
  // Without "load" and "write", which a worker does while the device computes another block.
  double device_seconds = 0.0;
  // FLOPs of the passes of a block (cost/block_flops.h), of a sustained matrix product in the same run (a second), and
  // what the first takes at the rate of the second.
  double flops = 0.0;
  double flops_per_second = 0.0;
  double floor_seconds = 0.0;
  int64_t peak_memory = 0;
  // What the memory plan had said.
  int64_t planned_memory = 0;
  double final_loss = 0.0;
  double sparsity = 0.0;
  // Of a group of ranks: steps of training and of recovery, and what adding up takes in each: seconds of one all-reduce
  // of that many float32 numbers, many of them one after the other. First the loss's sums, then the gradient.
  struct Steps {
    std::string stage;
    int64_t steps = 0;
    std::vector<std::pair<int64_t, double>> all_reduces;
  };
  std::vector<Steps> steps;
  // Of the training: a step, on the average, and the kernels of one by the GPU's own clock; 0 if not asked for.
  double step_seconds = 0.0;
  double step_kernel_seconds = 0.0;
  double step_kernels = 0.0;
};

// Errors as pruner::Engine's. Every engine of a group has to be asked for the same.
absl::StatusOr<BlockBenchResult> BenchBlock(pruner::Engine& engine, const BlockBenchRequest& request,
                                            const Clock& clock);

// For people.
std::string Describe(const BlockBenchRequest& request, const BlockBenchResult& result);

}  // namespace besa::bench
