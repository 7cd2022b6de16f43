#include "worker/pruner/sample_share.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <vector>

namespace besa::pruner {
namespace {

TEST(SampleShare, OneRankHoldsEverything) {
  const SampleShare alone = {.samples = 12};
  EXPECT_EQ(alone.own(), 12);
  EXPECT_EQ(alone.Of(4, 3).first, 4);
  EXPECT_EQ(alone.Of(4, 3).count, 3);
}

// Whatever the batch: every window of it is held once, and shares differ by one at most.
TEST(SampleShare, EveryBatchIsSpreadEvenly) {
  for (const int ranks : {1, 2, 3, 4, 8}) {
    for (const int64_t samples : {1, 7, 8, 30}) {
      for (const int64_t batch : {1, 2, 3, 5, 8}) {
        for (int64_t first = 0; first < samples; first += batch) {
          const int64_t count = std::min(batch, samples - first);
          std::vector<int> held(static_cast<size_t>(count));
          for (int rank = 0; rank < ranks; ++rank) {
            const SampleShare share = {.samples = samples, .rank = rank, .ranks = ranks};
            const SampleShare::Range own = share.Of(first, count);
            EXPECT_GE(own.count, count / ranks);
            EXPECT_LE(own.count, (count + ranks - 1) / ranks);
            EXPECT_LE(own.first + own.count, share.own());
            for (int64_t i = own.first; i < own.first + own.count; ++i) {
              ++held.at(static_cast<size_t>(share.Global(i) - first));
            }
          }
          EXPECT_EQ(held, std::vector<int>(static_cast<size_t>(count), 1));
        }
      }
    }
  }
}

}  // namespace
}  // namespace besa::pruner
