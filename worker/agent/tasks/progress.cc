#include "worker/agent/tasks/progress.h"

#include <string>

namespace besa::worker {

v1::TaskProgress MakeProgress(absl::string_view stage, int64_t step, int64_t steps) {
  v1::TaskProgress progress;
  progress.set_stage(std::string(stage));
  progress.set_step(step);
  progress.set_steps(steps);
  return progress;
}

pruner::Observer EngineObserver(const TaskObserver& observer) {
  return [&observer](const pruner::Progress& at) {
    v1::TaskProgress progress = MakeProgress(at.stage, at.step, at.steps);
    progress.set_loss(at.loss);
    progress.set_sparsity(at.sparsity);
    return observer(progress);
  };
}

}  // namespace besa::worker
