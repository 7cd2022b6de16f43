#include "worker/agent/tasks/stages.h"

namespace besa::worker {

void AddStage(absl::string_view stage, double seconds, v1::TaskResult& result) {
  for (v1::StageSeconds& known : *result.mutable_stages()) {
    if (known.stage() != stage) continue;
    known.set_seconds(known.seconds() + seconds);
    return;
  }
  v1::StageSeconds& added = *result.add_stages();
  added.set_stage(std::string(stage));
  added.set_seconds(seconds);
}

void AddStages(const std::vector<pruner::StageSeconds>& stages, v1::TaskResult& result) {
  for (const pruner::StageSeconds& stage : stages) AddStage(stage.stage, stage.seconds, result);
}

}  // namespace besa::worker
