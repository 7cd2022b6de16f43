// Which calibration windows a rank holds, when several prune a block together: every size-th one, from its own number
// on. So every batch of consecutive windows is spread over all ranks, as evenly as can be, whatever its size, and what
// a rank holds of it lies side by side.
#pragma once

#include <cstdint>

namespace besa::pruner {

struct SampleShare {
  // Windows of all ranks together.
  int64_t samples = 0;
  int rank = 0;
  int ranks = 1;

  struct Range {
    int64_t first = 0;
    int64_t count = 0;
  };

  // How many of the first `sample` windows this rank holds, which is also where the next one would be among its own.
  int64_t Before(int64_t sample) const { return sample <= rank ? 0 : (sample - rank - 1) / ranks + 1; }

  // What it holds of `count` windows from `first` on, counted among its own. May be none.
  Range Of(int64_t first, int64_t count) const {
    const int64_t begin = Before(first);
    return {.first = begin, .count = Before(first + count) - begin};
  }

  // All that it holds.
  int64_t own() const { return Before(samples); }

  // The number, among all windows, of one of its own.
  int64_t Global(int64_t own) const { return rank + own * ranks; }
};

}  // namespace besa::pruner
