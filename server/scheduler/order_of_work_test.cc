#include "server/scheduler/order_of_work.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace besa::server {
namespace {

using ::testing::ElementsAre;
using ::testing::Optional;

std::vector<bool> AllFree(size_t blocks) { return std::vector<bool>(blocks, true); }

WorkState Fresh(size_t blocks, int32_t others = 0) {
  WorkState state;
  state.free = AllFree(blocks);
  state.others = others;
  return state;
}

void Start(WorkState& state, int32_t block, double remaining, Pace pace = {}) {
  state.free[static_cast<size_t>(block)] = false;
  state.running.push_back({block, remaining, pace});
}

// The first blocks that workers of one pace get who ask one after the other, before any of them is done.
std::vector<int32_t> FirstBlocks(size_t blocks, int32_t workers) {
  WorkState state = Fresh(blocks);
  std::vector<int32_t> first;
  for (int32_t i = 0; i < workers; ++i) {
    state.others = workers - 1 - i;
    const std::optional<int32_t> block = NextBlock(state, {});
    if (!block) break;
    first.push_back(*block);
    Start(state, *block, TimeToReach(state, std::nullopt, *block, {}) + 1);
  }
  return first;
}

TEST(OrderOfWork, ALoneWorkerGoesFromTheFirstBlockToTheLast) {
  WorkState state = Fresh(3);
  EXPECT_THAT(NextBlock(state, {}), Optional(0));
  state.free = {false, true, true};
  EXPECT_THAT(NextBlock(state, {.cursor = 1}), Optional(1));
}

TEST(OrderOfWork, ALoneWorkerTurnsBackOnlyWhenNothingIsAhead) {
  WorkState state = Fresh(4);
  state.free = {true, false, false, true};
  EXPECT_THAT(NextBlock(state, {.cursor = 2}), Optional(3));
  state.free = {true, false, false, false};
  EXPECT_THAT(NextBlock(state, {.cursor = 3}), Optional(0));
}

TEST(OrderOfWork, NothingFreeIsNothingToDo) {
  WorkState state = Fresh(2);
  state.free = {false, false};
  EXPECT_EQ(NextBlock(state, {}), std::nullopt);
  EXPECT_EQ(NextBlock({}, {}), std::nullopt);
}

TEST(OrderOfWork, WhoeverHasTheActivationsGoesOn) {
  WorkState state = Fresh(80, /*others=*/6);
  Start(state, 0, 1);
  state.free[20] = false;  // committed by the one who asks
  EXPECT_THAT(NextBlock(state, {.cursor = 21}), Optional(21));
}

TEST(OrderOfWork, RangesShrinkWithTheWayToThem) {
  const std::vector<int32_t> first = FirstBlocks(80, 8);
  ASSERT_EQ(first.size(), 8u);
  EXPECT_EQ(first[0], 0);
  std::vector<int32_t> lengths;
  for (size_t i = 0; i + 1 < first.size(); ++i) lengths.push_back(first[i + 1] - first[i]);
  lengths.push_back(80 - first.back());
  EXPECT_TRUE(std::is_sorted(lengths.rbegin(), lengths.rend())) << ::testing::PrintToString(lengths);
  // Each is shorter than the one before by the share that a forward pass is of a block: 22%.
  EXPECT_THAT(lengths[0], ::testing::AllOf(::testing::Ge(19), ::testing::Le(21)));
  EXPECT_THAT(lengths[7], ::testing::AllOf(::testing::Ge(2), ::testing::Le(5)));
}

TEST(OrderOfWork, WithStoredBoundariesRangesAreEqual) {
  WorkState state = Fresh(80);
  for (int32_t boundary = 5; boundary < 80; boundary += 5) state.boundaries.push_back(boundary);
  std::vector<int32_t> first;
  for (int32_t i = 0; i < 8; ++i) {
    state.others = 7 - i;
    first.push_back(*NextBlock(state, {}));
    Start(state, first.back(), TimeToReach(state, std::nullopt, first.back(), {}) + 1);
  }
  EXPECT_THAT(first, ElementsAre(0, 10, 20, 30, 40, 50, 60, 70));
}

TEST(OrderOfWork, TheOneWhoHasNothingLeftTakesTheEndOfAnothersStretch) {
  WorkState state = Fresh(40);
  for (size_t i = 0; i < 20; ++i) state.free[i] = false;
  Start(state, 20, 0.5);
  // 19 blocks are free behind block 20. Both are done at the same time if the thief, who walks over those between, gets
  // fewer than half.
  const std::optional<int32_t> stolen = NextBlock(state, {.cursor = 20});
  ASSERT_TRUE(stolen.has_value());
  EXPECT_GT(*stolen, 30);
  EXPECT_LT(*stolen, 34);
}

TEST(OrderOfWork, NobodyStealsWhatItsOwnerWouldDoSooner) {
  WorkState state = Fresh(80);
  std::fill(state.free.begin(), state.free.end() - 1, false);
  state.running.push_back({78, 0.5, {}});
  // The last block takes its owner 1.5; the way there alone takes the other 17.
  EXPECT_EQ(NextBlock(state, {}), std::nullopt);
  EXPECT_THAT(NextBlock(state, {.cursor = 78}), Optional(79));
}

TEST(OrderOfWork, ALostWorkersStretchIsFree) {
  WorkState state = Fresh(80);
  std::fill(state.free.begin(), state.free.end() - 1, false);
  EXPECT_THAT(NextBlock(state, {}), Optional(79)) << "however far it is, nobody is nearer";
}

TEST(OrderOfWork, AFastWorkerIsGivenMoreThanASlowOne) {
  const Pace slow{.block = 4, .forward = 0.88};
  WorkState state = Fresh(40);
  Start(state, 0, 4, slow);
  const std::optional<int32_t> fast = NextBlock(state, {});
  ASSERT_TRUE(fast.has_value());
  EXPECT_GT(*fast, 5) << "that much the slow one does meanwhile";
  EXPECT_LT(*fast, 13);
}

TEST(OrderOfWork, ASlowWorkerDoesNotHoldUpTheEnd) {
  WorkState state = Fresh(10);
  std::fill(state.free.begin(), state.free.end() - 1, false);
  state.running.push_back({8, 0.5, {}});
  // It has the activations, but the fast one is done with its block and this one before it would be.
  EXPECT_EQ(NextBlock(state, {.cursor = 9, .pace = {.block = 20, .forward = 4}}), std::nullopt);
}

TEST(OrderOfWork, TheWayLeadsFromTheNearest) {
  WorkState state;
  state.boundaries = {10, 20};
  state.load = 0.5;
  const Pace pace{.block = 1, .forward = 0.25};
  EXPECT_DOUBLE_EQ(TimeToReach(state, std::nullopt, 1, pace), 0.25) << "the embeddings";
  EXPECT_DOUBLE_EQ(TimeToReach(state, std::nullopt, 12, pace), 1.0) << "the stored boundary before it";
  EXPECT_DOUBLE_EQ(TimeToReach(state, 11, 12, pace), 0.25) << "its own activations";
  EXPECT_DOUBLE_EQ(TimeToReach(state, 13, 12, pace), 1.0) << "its own lie behind";
}

TEST(OrderOfWork, EightWorkersNeedLittleMoreThanTheLeastPossible) {
  WorkState state = Fresh(80, /*others=*/7);
  // If blocks could be cut: 80 / ((1 - 0.78^8) / 0.22).
  const double ideal = 80 * 0.22 / (1 - 0.1370);
  EXPECT_GE(TimeToFinish(state, Asker{}), ideal);
  EXPECT_LE(TimeToFinish(state, Asker{}), ideal + 1.5);
}

}  // namespace
}  // namespace besa::server
