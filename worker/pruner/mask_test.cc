// Masks by scores.
#include "worker/pruner/mask.h"

#include <ATen/ops/equal.h>
#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace besa::pruner {
namespace {

using testing::ElementsAre;

at::Tensor Bools(std::initializer_list<int64_t> values, int64_t cols) {
  return at::tensor(std::vector<int64_t>(values)).view({-1, cols}).to(at::kBool);
}

TEST(Mask, SmallestOfAllTakesExactlyThatManyAndEqualOnesInOrder) {
  const at::Tensor scores = at::tensor(std::vector<float>{3, 1, 2, 2, 2, 0}).view({2, 3});
  EXPECT_TRUE(at::equal(SmallestOfAll(scores, 0), Bools({0, 0, 0, 0, 0, 0}, 3)));
  EXPECT_TRUE(at::equal(SmallestOfAll(scores, 3), Bools({0, 1, 1, 0, 0, 1}, 3)));
  EXPECT_TRUE(at::equal(SmallestOfAll(scores, 6), Bools({1, 1, 1, 1, 1, 1}, 3)));
}

TEST(Mask, SmallestOfGroupsTakesTheSameShareOfEach) {
  const at::Tensor scores = at::tensor(std::vector<float>{4, 3, 2, 1, 5, 5, 5, 5}).view({1, 8});
  EXPECT_TRUE(at::equal(SmallestOfGroups(scores, {.kept = 2, .of = 4}), Bools({0, 0, 1, 1, 1, 1, 0, 0}, 8)));
  EXPECT_TRUE(at::equal(SmallestOfGroups(scores, {.kept = 4, .of = 8}), Bools({1, 1, 1, 1, 0, 0, 0, 0}, 8)));
  EXPECT_TRUE(at::equal(SmallestOfGroups(scores, {.kept = 3, .of = 4}), Bools({0, 0, 0, 1, 1, 0, 0, 0}, 8)));
}

TEST(Mask, RankByGroupsPutsTheSmallestOfEveryGroupFirst) {
  // Groups (4 3 2 1) and (5 5 6 0): smallest at columns 3 and 7, then 2 and 4, then 1 and 5, then 0 and 6.
  const at::Tensor scores = at::tensor(std::vector<float>{4, 3, 2, 1, 5, 5, 6, 0}).view({1, 8});
  const at::Tensor order = RankByGroups(scores, {.kept = 2, .of = 4});
  EXPECT_EQ(order.scalar_type(), at::kShort);
  EXPECT_TRUE(at::equal(order.to(at::kLong), at::tensor(std::vector<int64_t>{7, 3, 2, 4, 1, 5, 0, 6}).view({1, 8})));
}

TEST(Mask, WhatIsRemovedComesFirstInTheOrderOfItsRow) {
  const LinearPruning pruning = FromMask(Bools({0, 1, 0, 1, 0, 0, 0, 1}, 4));
  EXPECT_EQ(pruning.order.scalar_type(), at::kShort);
  EXPECT_TRUE(
      at::equal(pruning.order.to(at::kLong), at::tensor(std::vector<int64_t>{1, 3, 0, 2, 3, 0, 1, 2}).view({2, 4})));
  EXPECT_THAT(pruning.pruned, ElementsAre(2, 1));
  EXPECT_THAT(pruning.rate, ElementsAre(0.5f, 0.25f));
}

}  // namespace
}  // namespace besa::pruner
