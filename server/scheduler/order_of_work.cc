#include "server/scheduler/order_of_work.h"

#include <algorithm>
#include <iterator>

namespace besa::server {
namespace {

// Rounding must not decide whether a block fits.
constexpr double kSlack = 1e-9;
// Halvings of the interval in which the least time lies: to a thousandth of a block.
constexpr int kHalvings = 30;

// Somebody who has a time budget and activations somewhere.
struct Helper {
  // When it begins.
  double start = 0.0;
  std::optional<int32_t> cursor;
  Pace pace;
  bool asks = false;
};

std::optional<int32_t> NextFree(const std::vector<bool>& free, int32_t from) {
  const auto begin = free.begin() + std::min<std::ptrdiff_t>(from, std::ssize(free));
  const auto found = std::find(begin, free.end(), true);
  if (found == free.end()) return std::nullopt;
  return static_cast<int32_t>(found - free.begin());
}

// Who can do what within a time.
class Division {
 public:
  Division(const WorkState& state, double time) : state_(state), left_(state.free), time_(time) {}

  // Everybody at work goes on behind its block as far as it gets, and helps afterwards if its stretch ends before.
  void GoOn() {
    for (const RunningBlock& running : state_.running) {
      Helper helper{.start = running.remaining, .cursor = running.block + 1, .pace = running.pace};
      int32_t block = running.block + 1;
      while (block < std::ssize(left_) && left_[static_cast<size_t>(block)] && Fits(helper.start, running.pace)) {
        left_[static_cast<size_t>(block)] = false;
        helper.start += running.pace.block;
        helper.cursor = ++block;
      }
      later_.push_back(helper);
    }
    // Who is free first helps first.
    std::ranges::stable_sort(later_, {}, &Helper::start);
  }

  // The helper takes what it can from the first block that is left at or behind `from`. Returns its first one.
  std::optional<int32_t> Help(Helper helper, int32_t from) {
    std::optional<int32_t> first;
    for (std::optional<int32_t> block = NextFree(left_, from); block; block = NextFree(left_, *helper.cursor)) {
      helper.start += TimeToReach(state_, helper.cursor, *block, helper.pace);
      if (!Fits(helper.start, helper.pace)) break;
      left_[static_cast<size_t>(*block)] = false;
      helper.start += helper.pace.block;
      helper.cursor = *block + 1;
      if (!first) first = block;
    }
    return first;
  }

  void HelpOfOthers() {
    for (int32_t i = 0; i < state_.others && !Done(); ++i) Help({.pace = state_.others_pace}, 0);
  }

  void HelpOfThoseAtWork() {
    for (const Helper& helper : later_) {
      if (Done()) return;
      Help(helper, 0);
    }
  }

  bool Done() const { return std::find(left_.begin(), left_.end(), true) == left_.end(); }

 private:
  bool Fits(double start, const Pace& pace) const { return start + pace.block <= time_ + kSlack; }

  const WorkState& state_;
  std::vector<bool> left_;
  std::vector<Helper> later_;
  double time_;
};

// Whether all blocks can be pruned within `time`. The asker begins at the first block that those at work leave over at
// or behind `from`; `first` is that block.
bool Suffices(const WorkState& state, const std::optional<Asker>& asker, int32_t from, double time,
              std::optional<int32_t>* first = nullptr) {
  Division division(state, time);
  division.GoOn();
  if (asker) {
    const auto taken = division.Help({.cursor = asker->cursor, .pace = asker->pace}, from);
    if (first != nullptr) *first = taken;
  }
  division.HelpOfOthers();
  division.HelpOfThoseAtWork();
  return division.Done();
}

// More than anybody needs who does everything alone.
double TimeEnough(const WorkState& state, const std::optional<Asker>& asker) {
  double longest = 0.0;
  const auto blocks = static_cast<double>(state.free.size());
  const auto alone = [&](double start, const Pace& pace) {
    longest = std::max(longest, start + blocks * (pace.block + pace.forward) + state.load);
  };
  for (const RunningBlock& running : state.running) alone(running.remaining, running.pace);
  if (asker) alone(0.0, asker->pace);
  if (state.others > 0) alone(0.0, state.others_pace);
  // Whoever turns back walks once more.
  return 2 * longest;
}

double LeastTime(const WorkState& state, const std::optional<Asker>& asker, int32_t from) {
  double too_short = 0.0;
  double enough = TimeEnough(state, asker);
  for (int i = 0; i < kHalvings; ++i) {
    const double middle = (too_short + enough) / 2;
    (Suffices(state, asker, from, middle) ? enough : too_short) = middle;
  }
  return enough;
}

std::optional<int32_t> FirstBlock(const WorkState& state, const Asker& asker) {
  if (asker.cursor && *asker.cursor < std::ssize(state.free) && state.free[static_cast<size_t>(*asker.cursor)]) {
    return asker.cursor;
  }
  const auto begin_at = [&](int32_t from) {
    const double time = LeastTime(state, asker, from);
    std::optional<int32_t> first;
    Suffices(state, asker, from, time, &first);
    return std::pair(time, first);
  };
  auto best = begin_at(0);
  if (asker.cursor && NextFree(state.free, *asker.cursor)) {
    // Ahead of its activations instead of at the beginning.
    if (const auto ahead = begin_at(*asker.cursor); ahead.second && (!best.second || ahead.first <= best.first)) {
      best = ahead;
    }
  }
  // Those at work may need nobody for the time that the others save them.
  return best.second;
}

}  // namespace

double TimeToReach(const WorkState& state, std::optional<int32_t> cursor, int32_t block, const Pace& pace) {
  const auto walk = [&](int32_t from) { return (block - from) * pace.forward; };
  double time = walk(0);
  if (cursor && *cursor <= block) time = walk(*cursor);
  const auto behind = std::upper_bound(state.boundaries.begin(), state.boundaries.end(), block);
  if (behind != state.boundaries.begin()) time = std::min(time, state.load + walk(*std::prev(behind)));
  return time;
}

std::optional<int32_t> NextBlock(const WorkState& state, const Asker& asker) {
  if (!NextFree(state.free, 0)) return std::nullopt;
  if (state.running.empty() && state.others == 0) {
    // Alone: whatever comes next, without turning back if it can be helped.
    const auto ahead = NextFree(state.free, asker.cursor.value_or(0));
    return ahead ? ahead : NextFree(state.free, 0);
  }
  std::optional<int32_t> block = FirstBlock(state, asker);
  if (!block) block = NextFree(state.free, 0);
  if (state.running.empty()) return block;
  const double done = TimeToReach(state, asker.cursor, *block, asker.pace) + asker.pace.block;
  WorkState without = state;
  without.others = 0;
  if (Suffices(without, std::nullopt, 0, done)) return std::nullopt;
  return block;
}

double TimeToFinish(const WorkState& state, const std::optional<Asker>& asker) { return LeastTime(state, asker, 0); }

}  // namespace besa::server
