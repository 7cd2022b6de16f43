#include "worker/pruner/training_run.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "storage/base/status_macros.h"
#include "worker/pruner/dense_stream.h"
#include "worker/pruner/errors.h"

namespace besa::pruner {
namespace {

constexpr int kSkippedInARow = 5;
// On CUDA steps are queued; reading a result waits for it. Often enough for progress, rarely enough to cost nothing.
constexpr size_t kCudaStepsBetweenReads = 8;

class LogReader {
 public:
  LogReader(int64_t block_index, StageReporter& reporter) : block_index_(block_index), reporter_(reporter) {}

  absl::Status Add(StepResult result, bool read) {
    pending_.push_back(std::move(result));
    return read ? Read() : absl::OkStatus();
  }

  // Waits for all steps added so far.
  absl::Status Read() {
    if (pending_.empty()) return absl::OkStatus();
    for (const StepResult& result : pending_) {
      log_.loss.push_back(result.loss.item().toFloat());
      log_.sparsity.push_back(result.sparsity.item().toFloat());
      const at::Tensor finite = result.finite.cpu();
      const bool* begin = finite.data_ptr<bool>();
      const bool* bad = std::find(begin, begin + kLinears, false);
      if (bad == begin + kLinears) {
        in_a_row_ = 0;
        continue;
      }
      ++log_.skipped_steps;
      if (++in_a_row_ >= kSkippedInARow) {
        return BadNumbers(block_index_, LinearName(Linear(bad - begin)),
                          absl::StrCat("its gradient was NaN or infinite in ", kSkippedInARow, " steps in a row"));
      }
    }
    pending_.clear();
    return reporter_.Step(static_cast<int64_t>(log_.loss.size()), log_.loss.back(), log_.sparsity.back());
  }

  TrainingLog& log() { return log_; }

 private:
  int64_t block_index_;
  StageReporter& reporter_;
  std::vector<StepResult> pending_;
  TrainingLog log_;
  int in_a_row_ = 0;
};

}  // namespace

int64_t TrainingSteps(int64_t samples, const BesaOptions& options) {
  return options.epochs * ((samples + options.batch_size - 1) / options.batch_size);
}

absl::StatusOr<TrainingLog> TrainAllocation(BlockTrainer& trainer, const at::Tensor& x, const at::Tensor& reference,
                                            const BesaOptions& options, int64_t block_index, StageReporter& reporter) {
  LogReader reader(block_index, reporter);
  const size_t between_reads = x.is_cuda() ? kCudaStepsBetweenReads : 1;
  size_t steps = 0;
  for (int64_t epoch = 0; epoch < options.epochs; ++epoch) {
    RETURN_IF_ERROR(ForEachBatch(x.size(0), options.batch_size, [&](int64_t first, int64_t count) {
      return reader.Add(trainer.Step(x.narrow(0, first, count), reference.narrow(0, first, count)),
                        ++steps % between_reads == 0);
    }));
  }
  RETURN_IF_ERROR(reader.Read());
  return std::move(reader.log());
}

}  // namespace besa::pruner
