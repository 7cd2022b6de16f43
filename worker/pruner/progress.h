// Telling the observer where an operation stands, and timing its stages.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "storage/base/clock.h"
#include "worker/pruner/pruner.h"

namespace besa::pruner {

// One operation's stages. Not thread-safe.
class StageReporter {
 public:
  // `observer` may be null; it and `clock` must outlive the reporter.
  StageReporter(const Observer& observer, const Clock& clock) : observer_(observer), clock_(clock) {}

  // Ends the current stage and begins the next; time in a stage entered again adds up.
  absl::Status Begin(absl::string_view stage, int64_t steps);

  // Step `step` of the current stage is done. CANCELLED if the observer says so.
  absl::Status Step(int64_t step);
  absl::Status Step(int64_t step, double loss, double sparsity);

  // Ends the last stage.
  std::vector<StageSeconds> Finish();

 private:
  absl::Status Report(const Progress& progress) const;
  void End();

  const Observer& observer_;
  const Clock& clock_;
  std::vector<StageSeconds> stages_;
  std::string stage_;
  int64_t steps_ = 0;
  absl::Duration begin_;
};

}  // namespace besa::pruner
