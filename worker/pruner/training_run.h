// The steps of one block's training: order of the samples, the log, skipped steps, progress.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "absl/status/statusor.h"
#include "worker/pruner/block_trainer.h"
#include "worker/pruner/progress.h"

namespace besa::pruner {

struct TrainingLog {
  // Of each step.
  std::vector<float> loss;
  std::vector<float> sparsity;
  int skipped_steps = 0;
};

// Steps of a training with these options on so many samples.
int64_t TrainingSteps(int64_t samples, const BesaOptions& options);

// Runs options.epochs passes over x and reference [samples, length, hidden] in fixed order, options.batch_size at a
// time. OUT_OF_RANGE (BadNumbers) naming the first linear whose gradient was not finite in five steps in a row.
absl::StatusOr<TrainingLog> TrainAllocation(BlockTrainer& trainer, const at::Tensor& x, const at::Tensor& reference,
                                            const BesaOptions& options, int64_t block_index, StageReporter& reporter);

}  // namespace besa::pruner
