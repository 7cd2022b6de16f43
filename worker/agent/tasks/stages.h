// Seconds spent, by stage.
#pragma once

#include "absl/strings/string_view.h"
#include "besa/v1/task.pb.h"
#include "storage/base/clock.h"
#include "worker/pruner/pruner.h"

namespace besa::worker {

void AddStage(absl::string_view stage, double seconds, v1::TaskResult& result);
void AddStages(const std::vector<pruner::StageSeconds>& stages, v1::TaskResult& result);

// Adds the time from its construction to Stop.
class StageTimer {
 public:
  StageTimer(const Clock& clock, absl::string_view stage) : clock_(clock), stage_(stage), start_(clock.Steady()) {}

  void Stop(v1::TaskResult& result) const { AddStage(stage_, absl::ToDoubleSeconds(clock_.Steady() - start_), result); }

 private:
  const Clock& clock_;
  const std::string stage_;
  const absl::Duration start_;
};

}  // namespace besa::worker
