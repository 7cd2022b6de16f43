// The steps of one block's training, of its allocation or in recovery: order of the samples, the log, skipped steps,
// progress.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <limits>
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
  // Windows of a batch with which the loss looks ahead, if it does: the first of them.
  int64_t looking_ahead = std::numeric_limits<int64_t>::max();

  int64_t Steps(int64_t samples) const { return epochs * ((samples + batch_size - 1) / batch_size); }
};

// What a block is trained on: this rank's samples, each [share.own(), length, hidden].
struct TrainingData {
  // What enters the block. Pass i takes x[i % number of x].
  std::vector<Activations> x;
  // What its output is compared with.
  Activations reference;
  // What the output of the block behind it is compared with, if the loss looks ahead.
  Activations next_reference;
};

// Does one step and returns its StepRecord. See BlockTrainer::Step.
using TrainingStep = std::function<at::Tensor(const TrainingBatch& batch)>;

// Runs the passes over `share.samples` samples, in the stage that the reporter is in. OUT_OF_RANGE (BadNumbers) naming
// the first linear whose gradient was not finite in five steps in a row.
absl::StatusOr<TrainingLog> RunTraining(const TrainingStep& step, const TrainingData& data, const SampleShare& share,
                                        const Passes& passes, int64_t block_index, StageReporter& reporter);

}  // namespace besa::pruner
