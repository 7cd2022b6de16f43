#include "server/scheduler/work_state.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "proto/time.h"
#include "server/scheduler/attempts.h"
#include "server/scheduler/stored_boundaries.h"

namespace besa::server {
namespace {

// Of a block's time, until it has been seen.
constexpr double kLoadShare = 0.5;

bool IsCommittedBlock(const TaskRow& row) {
  return row.task.kind() == v1::TASK_KIND_PRUNE && row.task.state() == v1::TASK_STATE_COMMITTED;
}

const v1::Attempt* Winner(const TaskRow& row) { return FindAttempt(row.task, row.task.result().attempt()); }

double StageSum(const v1::TaskResult& result, absl::string_view name) {
  double sum = 0.0;
  for (const v1::StageSeconds& stage : result.stages()) {
    if (stage.stage() == name) sum += stage.seconds();
  }
  return sum;
}

// Everything but getting to the block.
double BlockSeconds(const v1::TaskResult& result) {
  double sum = 0.0;
  for (const v1::StageSeconds& stage : result.stages()) sum += stage.seconds();
  return sum - StageSum(result, "walk") - StageSum(result, "fetch");
}

struct Sum {
  double seconds = 0.0;
  double count = 0.0;

  void Add(double some_seconds, double some_count) {
    seconds += some_seconds;
    count += some_count;
  }
  std::optional<double> Mean() const {
    return count > 0 && seconds > 0 ? std::optional(seconds / count) : std::nullopt;
  }
};

// The attempt that a block was committed by, or that is at work on it; null if there is none.
const v1::Attempt* Good(const TaskRow& row) {
  if (row.task.kind() != v1::TASK_KIND_PRUNE) return nullptr;
  if (IsCommittedBlock(row)) return Winner(row);
  const bool leased = row.task.state() == v1::TASK_STATE_LEASED && row.lease;
  return leased ? FindAttempt(row.task, row.lease->attempt) : nullptr;
}

// The block behind the one that the worker pruned last when it began with `now`: what it began with before, whether or
// not that was committed by then.
std::optional<int32_t> CursorAt(const JobRows& rows, absl::string_view worker, const v1::Attempt& now) {
  std::optional<int32_t> cursor;
  const absl::Time time = FromProto(now.start_time());
  absl::Time latest = absl::InfinitePast();
  for (const TaskRow& row : rows.tasks) {
    const v1::Attempt* attempt = Good(row);
    if (attempt == nullptr || attempt == &now || attempt->worker() != worker) continue;
    const absl::Time start = FromProto(attempt->start_time());
    const bool before = start < time || (IsCommittedBlock(row) && FromProto(attempt->end_time()) <= time);
    if (!before || start < latest) continue;
    latest = start;
    cursor = row.task.block() + 1;
  }
  return cursor;
}

// Blocks that a worker got at once. A group of ranks prunes them side by side, or one after the other.
struct Batch {
  int32_t blocks = 0;
  int32_t first = 0;
  // The last end so far.
  absl::Time end = absl::InfinitePast();
};

class Batches {
 public:
  explicit Batches(const JobRows& rows) {
    for (const TaskRow& row : rows.tasks) {
      const v1::Attempt* attempt = Good(row);
      if (attempt == nullptr) continue;
      Batch& batch = batches_[KeyOf(*attempt)];
      if (batch.blocks++ == 0) batch.first = row.task.block();
      batch.first = std::min(batch.first, row.task.block());
      if (IsCommittedBlock(row)) batch.end = std::max(batch.end, FromProto(attempt->end_time()));
    }
  }

  // That of an attempt which is Good.
  const Batch& Of(const v1::Attempt& attempt) const { return batches_.at(KeyOf(attempt)); }

  // What a committed block took its worker, as long as blocks come one after the other.
  double SecondsOf(const v1::TaskResult& result, const v1::Attempt& attempt) const {
    const Batch& batch = Of(attempt);
    const double seconds = BlockSeconds(result);
    if (batch.blocks == 1) return seconds;
    return std::min(seconds, absl::ToDoubleSeconds(batch.end - FromProto(attempt.start_time())) / batch.blocks);
  }

 private:
  // What began at the same time. One that ended before time went on was over when the next began.
  using Key = std::tuple<std::string, absl::Time, const v1::Attempt*>;
  static Key KeyOf(const v1::Attempt& attempt) {
    const absl::Time start = FromProto(attempt.start_time());
    const bool over = attempt.has_end_time() && FromProto(attempt.end_time()) <= start;
    return {attempt.worker(), start, over ? &attempt : nullptr};
  }

  std::map<Key, Batch> batches_;
};

// What has been seen of a worker, or of all.
struct Seen {
  Sum block;
  Sum forward;
  Sum load;
};

Seen Look(const JobRows& rows, const Batches& batches, absl::string_view worker) {
  Seen seen;
  for (const TaskRow& row : rows.tasks) {
    if (!IsCommittedBlock(row)) continue;
    const v1::Attempt* attempt = Winner(row);
    if (attempt == nullptr || (!worker.empty() && attempt->worker() != worker)) continue;
    const v1::TaskResult& result = row.task.result();
    seen.block.Add(batches.SecondsOf(result, *attempt), 1);
    const double load = StageSum(result, "fetch");
    if (load > 0) {
      seen.load.Add(load, 1);
      continue;
    }
    const auto cursor = CursorAt(rows, attempt->worker(), *attempt);
    // To the first of those that it got at once.
    const int32_t block = batches.Of(*attempt).first;
    const int32_t walked = block - (cursor && *cursor <= block ? *cursor : 0);
    if (walked > 0) seen.forward.Add(StageSum(result, "walk"), walked);
  }
  return seen;
}

// How fast everybody is, looked up once.
class Paces {
 public:
  explicit Paces(const JobRows& rows) : rows_(rows), batches_(rows), all_(Look(rows, batches_, "")) {}

  // Nobody has committed a block yet, so that times cannot be compared with the clock.
  bool unknown() const { return !all_.block.Mean().has_value(); }

  Pace Of(absl::string_view worker) {
    if (unknown()) return {};
    const auto [known, fresh] = by_worker_.try_emplace(std::string(worker));
    if (fresh) known->second = Average(Look(rows_, batches_, worker));
    return known->second;
  }
  Pace OfAll() const { return unknown() ? Pace{} : Average(all_); }
  const Batches& batches() const { return batches_; }
  double Load() const { return all_.load.Mean().value_or(kLoadShare * OfAll().block); }

 private:
  Pace Average(const Seen& seen) const {
    const double mean = *all_.block.Mean();
    // A worker of which only its blocks are known walks faster than others by as much as it prunes faster.
    const double share = all_.forward.Mean().value_or(Pace{}.forward * mean) / mean;
    Pace pace{.block = seen.block.Mean().value_or(mean)};
    // A walk is part of what pruning takes; what is measured as longer waited for something else.
    pace.forward = std::min(seen.forward.Mean().value_or(share * pace.block), pace.block);
    return pace;
  }

  const JobRows& rows_;
  const Batches batches_;
  const Seen all_;
  std::map<std::string, Pace> by_worker_;
};

RunningBlock Running(const JobRows& rows, const TaskRow& row, const WorkState& state, absl::Time now, Paces& paces) {
  RunningBlock running{.block = row.task.block(), .pace = paces.Of(row.lease->worker)};
  const v1::Attempt* attempt = FindAttempt(row.task, row.lease->attempt);
  const absl::Time start = attempt == nullptr ? now : FromProto(attempt->start_time());
  const auto cursor = attempt == nullptr ? std::nullopt : CursorAt(rows, row.lease->worker, *attempt);
  const Batch batch = attempt == nullptr ? Batch{.blocks = 1, .first = running.block} : paces.batches().Of(*attempt);
  const double way = TimeToReach(state, cursor, batch.first, running.pace);
  running.remaining = way + batch.blocks * running.pace.block;
  if (paces.unknown()) return running;
  const double elapsed = absl::ToDoubleSeconds(now - start);
  // One that takes longer than expected is slower than expected.
  running.pace.block = std::max(running.pace.block, (elapsed - way) / batch.blocks);
  running.remaining = std::max(running.remaining - elapsed, elapsed / 4);
  return running;
}

// What each worker but `asker` prunes, in the order of the blocks: of several leases the one that began last.
std::vector<const TaskRow*> PrunedNow(const JobRows& rows, absl::string_view asker) {
  std::map<std::string, const TaskRow*> last;
  const auto start = [](const TaskRow& row) {
    const v1::Attempt* attempt = FindAttempt(row.task, row.lease->attempt);
    return attempt == nullptr ? absl::InfinitePast() : FromProto(attempt->start_time());
  };
  for (const TaskRow& row : rows.tasks) {
    if (row.task.kind() != v1::TASK_KIND_PRUNE || row.task.state() != v1::TASK_STATE_LEASED || !row.lease) continue;
    if (row.lease->worker == asker) continue;
    const TaskRow*& of_worker = last[row.lease->worker];
    if (of_worker == nullptr || start(*of_worker) <= start(row)) of_worker = &row;
  }
  std::vector<const TaskRow*> pruned;
  for (const auto& [worker, row] : last) pruned.push_back(row);
  std::ranges::sort(pruned, {}, [](const TaskRow* row) { return row->task.block(); });
  return pruned;
}

}  // namespace

Pace PaceOf(const JobRows& rows, absl::string_view worker) { return Paces(rows).Of(worker); }

WorkState ReadWorkState(const JobRows& rows, absl::string_view asker, int64_t memory_bytes, const Context& context) {
  Paces paces(rows);
  WorkState state;
  for (const TaskRow& row : rows.tasks) {
    if (row.task.kind() != v1::TASK_KIND_PRUNE) continue;
    state.free.push_back(row.task.state() == v1::TASK_STATE_PENDING && row.task.memory_bytes() <= memory_bytes);
  }
  state.boundaries = CommittedBoundaries(rows);
  state.load = paces.Load();
  for (const TaskRow* row : PrunedNow(rows, asker)) {
    state.running.push_back(Running(rows, *row, state, context.now, paces));
  }
  state.others = std::max(0, context.fleet.workers - static_cast<int32_t>(state.running.size()) - 1);
  state.others_pace = paces.OfAll();
  return state;
}

}  // namespace besa::server
