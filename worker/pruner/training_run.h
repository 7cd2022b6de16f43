// The steps of one block's training, of its allocation or in recovery: order of the samples, the log, skipped steps,
// progress.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

#include "absl/status/statusor.h"
#include "worker/pruner/activations.h"
#include "worker/pruner/block_trainer.h"
#include "worker/pruner/progress.h"
#include "worker/pruner/sample_share.h"

namespace besa::pruner {

struct TrainingLog {
  // Of each step.
  std::vector<float> loss;
  std::vector<float> sparsity;
  int skipped_steps = 0;
};

// How the samples are gone through: in fixed order, batch_size at a time.
struct Passes {
  int64_t epochs = 1;
  int64_t batch_size = 1;

  int64_t Steps(int64_t samples) const { return epochs * ((samples + batch_size - 1) / batch_size); }
};

// Does one step on x and reference, this rank's share of the batch, [share, length, hidden], and returns its
// StepRecord. See BlockTrainer::Step.
using TrainingStep = std::function<at::Tensor(const at::Tensor& x, const at::Tensor& reference)>;

// Runs the passes over `share.samples` samples, of which each x and reference [share.own(), length, hidden] are this
// rank's, in the stage that the reporter is in. Pass i takes x[i % number of x]. OUT_OF_RANGE (BadNumbers) naming the
// first linear whose gradient was not finite in five steps in a row.
absl::StatusOr<TrainingLog> RunTraining(const TrainingStep& step, const std::vector<Activations>& x,
                                        const Activations& reference, const SampleShare& share, const Passes& passes,
                                        int64_t block_index, StageReporter& reporter);

}  // namespace besa::pruner
