#include "server/scheduler/pick_task.h"

#include <tuple>

namespace besa::server {
namespace {

// Lower is taken first.
using Rank = std::tuple<int, bool, int32_t>;

Rank RankOf(const TaskRow& row, const Taker& taker) {
  switch (row.task.kind()) {
    case v1::TASK_KIND_PREPARE:
      return {0, false, 0};
    case v1::TASK_KIND_PRUNE:
      return {1, taker.cursor.has_value() && row.task.block() < *taker.cursor, row.task.block()};
    case v1::TASK_KIND_PASSTHROUGH:
      return {2, false, 0};
    default:
      return {3, false, row.position};
  }
}

}  // namespace

std::optional<size_t> PickTask(const std::vector<TaskRow>& tasks, const Taker& taker) {
  std::optional<size_t> best;
  for (size_t i = 0; i < tasks.size(); ++i) {
    if (tasks[i].task.state() != v1::TASK_STATE_PENDING) continue;
    if (tasks[i].task.memory_bytes() > taker.memory_bytes) continue;
    if (!best || RankOf(tasks[i], taker) < RankOf(tasks[*best], taker)) best = i;
  }
  return best;
}

}  // namespace besa::server
