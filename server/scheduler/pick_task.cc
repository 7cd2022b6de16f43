#include "server/scheduler/pick_task.h"

#include <algorithm>
#include <utility>

#include "server/scheduler/order_of_work.h"
#include "server/scheduler/work_state.h"

namespace besa::server {
namespace {

// Lower is taken first; blocks have their own order.
int RankOf(v1::TaskKind kind) {
  switch (kind) {
    case v1::TASK_KIND_PREPARE:
      return 0;
    case v1::TASK_KIND_SWEEP:
      return 1;
    case v1::TASK_KIND_PASSTHROUGH:
      return 2;
    case v1::TASK_KIND_PRUNE:
      return 3;
    default:
      return 4;
  }
}

std::optional<size_t> PickBlock(const JobRows& rows, const Taker& taker, const Context& context) {
  const std::optional<int32_t> block = NextBlock(ReadWorkState(rows, taker.worker, taker.memory_bytes, context),
                                                 {.cursor = taker.cursor, .pace = PaceOf(rows, taker.worker)});
  if (!block) return std::nullopt;
  for (size_t i = 0; i < rows.tasks.size(); ++i) {
    const v1::Task& task = rows.tasks[i].task;
    if (task.kind() == v1::TASK_KIND_PRUNE && task.block() == *block) return i;
  }
  return std::nullopt;
}

}  // namespace

std::optional<size_t> PickTask(const JobRows& rows, const Taker& taker, const Context& context) {
  std::optional<size_t> best;
  bool any_block = false;
  for (size_t i = 0; i < rows.tasks.size(); ++i) {
    const v1::Task& task = rows.tasks[i].task;
    if (task.state() != v1::TASK_STATE_PENDING || task.memory_bytes() > taker.memory_bytes) continue;
    if (task.kind() == v1::TASK_KIND_PRUNE) {
      any_block = true;
    } else if (!best || RankOf(task.kind()) < RankOf(rows.tasks[*best].task.kind())) {
      best = i;
    }
  }
  const int rank = best ? RankOf(rows.tasks[*best].task.kind()) : RankOf(v1::TASK_KIND_UNSPECIFIED);
  if (!any_block || rank < RankOf(v1::TASK_KIND_PRUNE)) return best;
  const std::optional<size_t> block = PickBlock(rows, taker, context);
  return block ? block : best;
}

bool MayGoWith(const JobRows& rows, const v1::Task& before, const v1::Task& next) {
  return rows.job.job.spec().method().schedule() != v1::SCHEDULE_SEQUENTIAL && before.kind() == v1::TASK_KIND_PRUNE &&
         next.kind() == v1::TASK_KIND_PRUNE && next.block() == before.block() + 1;
}

std::vector<size_t> PickFurther(const JobRows& rows, size_t first, const Taker& taker, const Context& context) {
  std::vector<size_t> further;
  if (taker.most_blocks <= 1 || rows.tasks[first].task.kind() != v1::TASK_KIND_PRUNE) return further;
  const WorkState state = ReadWorkState(rows, taker.worker, taker.memory_bytes, context);
  const auto free = std::ranges::count(state.free, true);
  const int64_t share = (free + state.others) / (1 + state.others);
  const int64_t most = std::min<int64_t>(taker.most_blocks, share);
  size_t last = first;
  while (std::ssize(further) + 1 < most) {
    const auto next = std::ranges::find_if(rows.tasks, [&](const TaskRow& row) {
      return row.task.state() == v1::TASK_STATE_PENDING && row.task.memory_bytes() <= taker.memory_bytes &&
             MayGoWith(rows, rows.tasks[last].task, row.task);
    });
    if (next == rows.tasks.end()) break;
    last = static_cast<size_t>(next - rows.tasks.begin());
    further.push_back(last);
  }
  return further;
}

}  // namespace besa::server
