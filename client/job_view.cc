#include "client/job_view.h"

#include <algorithm>
#include <tuple>

namespace besa::client {
namespace {

// TaskKind counts in the order in which tasks are listed, but for sweeps, which come behind prepare.
int RankOf(v1::TaskKind kind) {
  return kind == v1::TASK_KIND_SWEEP ? 2 * static_cast<int>(v1::TASK_KIND_PREPARE) + 1 : 2 * static_cast<int>(kind);
}

bool ComesBefore(const v1::Task& a, const v1::Task& b) {
  return std::make_tuple(RankOf(a.kind()), a.block(), a.sweep().first_window()) <
         std::make_tuple(RankOf(b.kind()), b.block(), b.sweep().first_window());
}

bool IsEnded(v1::TaskState state) {
  return state == v1::TASK_STATE_COMMITTED || state == v1::TASK_STATE_FAILED || state == v1::TASK_STATE_CANCELLED;
}

}  // namespace

void JobView::Apply(const v1::WatchJobResponse& event) {
  switch (event.event_case()) {
    case v1::WatchJobResponse::kSnapshot:
      job_ = event.snapshot().job();
      tasks_.assign(event.snapshot().tasks().begin(), event.snapshot().tasks().end());
      std::stable_sort(tasks_.begin(), tasks_.end(), ComesBefore);
      break;
    case v1::WatchJobResponse::kJob:
      job_ = event.job();
      break;
    case v1::WatchJobResponse::kTask:
      GetOrAddTask(event.task()) = event.task();
      break;
    case v1::WatchJobResponse::kProgress: {
      // Progress is no change of the task: only the figures are taken, and none after the task has ended.
      v1::Task& task = GetOrAddTask(event.progress());
      if (!IsEnded(task.state())) *task.mutable_progress() = event.progress().progress();
      break;
    }
    case v1::WatchJobResponse::EVENT_NOT_SET:
      break;
  }
}

const v1::Task* JobView::FindTask(absl::string_view name) const {
  const auto found = std::find_if(tasks_.begin(), tasks_.end(), [&](const v1::Task& t) { return t.name() == name; });
  return found == tasks_.end() ? nullptr : &*found;
}

v1::Task& JobView::GetOrAddTask(const v1::Task& task) {
  const auto found =
      std::find_if(tasks_.begin(), tasks_.end(), [&](const v1::Task& t) { return t.name() == task.name(); });
  if (found != tasks_.end()) return *found;
  return *tasks_.insert(std::upper_bound(tasks_.begin(), tasks_.end(), task, ComesBefore), task);
}

int JobView::blocks_total() const {
  if (job_.progress().blocks_total() > 0) return job_.progress().blocks_total();
  if (job_.model().blocks() > 0) return job_.model().blocks();
  return static_cast<int>(std::count_if(tasks_.begin(), tasks_.end(),
                                        [](const v1::Task& task) { return task.kind() == v1::TASK_KIND_PRUNE; }));
}

int JobView::blocks_committed() const {
  const auto committed = std::count_if(tasks_.begin(), tasks_.end(), [](const v1::Task& task) {
    return task.kind() == v1::TASK_KIND_PRUNE && task.state() == v1::TASK_STATE_COMMITTED;
  });
  return std::max(static_cast<int>(committed), job_.progress().blocks_committed());
}

double JobView::sparsity() const {
  int64_t zeros = 0;
  int64_t weights = 0;
  for (const v1::Task& task : tasks_) {
    zeros += task.result().block().zeros();
    weights += task.result().block().weights();
  }
  return weights > 0 ? static_cast<double>(zeros) / static_cast<double>(weights) : job_.progress().sparsity();
}

}  // namespace besa::client
