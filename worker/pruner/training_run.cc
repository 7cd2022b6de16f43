#include "worker/pruner/training_run.h"

#include <ATen/cuda/CUDAEvent.h>
#include <ATen/ops/empty.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "storage/base/status_macros.h"
#include "worker/pruner/errors.h"

namespace besa::pruner {
namespace {

constexpr int kSkippedInARow = 5;
// On CUDA the host queues this many steps ahead of the device: enough for the device never to wait, few enough for
// progress to be told as it happens.
constexpr int64_t kStepsAhead = 4;

// Reads what the steps did, in order, some steps after they were queued.
class LogReader {
 public:
  LogReader(int64_t steps, at::Device device, int64_t block_index, StageReporter& reporter)
      : block_index_(block_index),
        reporter_(reporter),
        ahead_(device.is_cuda() ? kStepsAhead : 0),
        records_(
            at::empty({steps, StepRecord::kSize}, at::TensorOptions().dtype(at::kDouble).pinned_memory(ahead_ > 0))),
        arrived_(static_cast<size_t>(ahead_ > 0 ? steps : 0)) {}

  // The record of the next step, as queued.
  absl::Status Add(const at::Tensor& record) {
    records_.select(0, added_).copy_(record, /*non_blocking=*/true);
    if (ahead_ > 0) arrived_[static_cast<size_t>(added_)].record();
    ++added_;
    return added_ - read_ > ahead_ ? ReadNext() : absl::OkStatus();
  }

  // Waits for all steps added so far.
  absl::Status Finish() {
    while (read_ < added_) RETURN_IF_ERROR(ReadNext());
    return absl::OkStatus();
  }

  TrainingLog& log() { return log_; }

 private:
  absl::Status ReadNext() {
    if (ahead_ > 0) arrived_[static_cast<size_t>(read_)].synchronize();
    const double* record = records_.data_ptr<double>() + read_ * StepRecord::kSize;
    ++read_;
    log_.loss.push_back(static_cast<float>(record[StepRecord::kLoss]));
    log_.sparsity.push_back(static_cast<float>(record[StepRecord::kSparsity]));
    const double* finite = record + StepRecord::kFinite;
    const double* bad = std::find(finite, finite + kLinears, 0.0);
    if (bad == finite + kLinears) {
      in_a_row_ = 0;
    } else {
      ++log_.skipped_steps;
      if (++in_a_row_ >= kSkippedInARow) {
        return BadNumbers(block_index_, LinearName(Linear(bad - finite)),
                          absl::StrCat("its gradient was NaN or infinite in ", kSkippedInARow, " steps in a row"));
      }
    }
    return reporter_.Step(read_, log_.loss.back(), log_.sparsity.back());
  }

  int64_t block_index_;
  StageReporter& reporter_;
  int64_t ahead_;
  // [steps, StepRecord::kSize], on the host.
  at::Tensor records_;
  std::vector<at::cuda::CUDAEvent> arrived_;
  int64_t added_ = 0;
  int64_t read_ = 0;
  TrainingLog log_;
  int in_a_row_ = 0;
};

}  // namespace

absl::StatusOr<TrainingLog> RunTraining(const TrainingStep& step, const TrainingData& data, const SampleShare& share,
                                        const Passes& passes, int64_t block_index, StageReporter& reporter) {
  const int64_t steps = passes.Steps(share.samples);
  LogReader reader(steps, data.reference.device(), block_index, reporter);
  std::vector<SampleShare::Range> batches;
  // Of each batch, this rank's windows that look ahead.
  std::vector<int64_t> looking_ahead;
  for (const SampleShare::Range& all : BatchesOf(share.samples, passes.batch_size)) {
    batches.push_back(share.Of(all.first, all.count));
    looking_ahead.push_back(share.Of(all.first, std::min(all.count, passes.looking_ahead)).count);
  }
  std::vector<ActivationFeed::Sources> sources;
  for (const Activations& x : data.x) {
    sources.push_back({x, data.reference});
    if (data.next_reference.defined()) sources.back().push_back(data.next_reference);
  }
  ActivationFeed feed(std::move(sources), std::move(batches), passes.epochs);
  for (int64_t i = 0; i < steps; ++i) {
    TrainingBatch batch = feed.Next();
    if (batch[2].defined()) {
      batch[2] = batch[2].narrow(0, 0, looking_ahead[static_cast<size_t>(i % std::ssize(looking_ahead))]);
    }
    RETURN_IF_ERROR(reader.Add(step(batch)));
  }
  RETURN_IF_ERROR(reader.Finish());
  return std::move(reader.log());
}

}  // namespace besa::pruner
