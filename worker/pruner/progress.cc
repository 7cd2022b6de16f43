#include "worker/pruner/progress.h"

#include <algorithm>

#include "worker/pruner/errors.h"

namespace besa::pruner {

absl::Status StageReporter::Begin(absl::string_view stage, int64_t steps) {
  End();
  stage_ = std::string(stage);
  steps_ = steps;
  begin_ = clock_.Steady();
  return Report({.stage = stage_, .step = 0, .steps = steps_});
}

absl::Status StageReporter::Step(int64_t step) { return Report({.stage = stage_, .step = step, .steps = steps_}); }

absl::Status StageReporter::Step(int64_t step, double loss, double sparsity) {
  return Report({.stage = stage_, .step = step, .steps = steps_, .loss = loss, .sparsity = sparsity});
}

std::vector<StageSeconds> StageReporter::Finish() {
  End();
  return stages_;
}

absl::Status StageReporter::Report(const Progress& progress) const {
  if (observer_ && !observer_(progress)) return StoppedByObserver();
  return absl::OkStatus();
}

void StageReporter::End() {
  if (stage_.empty()) return;
  auto stage = std::find_if(stages_.begin(), stages_.end(), [&](const auto& s) { return s.stage == stage_; });
  if (stage == stages_.end()) stage = stages_.insert(stages_.end(), {.stage = stage_});
  stage->seconds += absl::ToDoubleSeconds(clock_.Steady() - begin_);
  stage_.clear();
}

}  // namespace besa::pruner
