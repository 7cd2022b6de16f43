// From learned rates to weight counts that add up to the target exactly.
//
// The learned rates of a block need not average to the target. One shift delta, the same for all rows, makes them:
//   sum over rows of C * clamp(rate + delta, 0, 1) = round(sparsity * weights)
// Each row then gets the floor of its share, and the weights that are still missing go to the rows with the largest
// remainders (compared to 1e-6; ties go to the earlier row). Pure arithmetic in float64.
#pragma once

#include <cstdint>
#include <vector>

namespace besa::pruner {

struct RowRate {
  // Weights in the row.
  int64_t cols = 0;
  // Learned share to remove.
  double rate = 0.0;
};

// Weights to remove from each row, in the order of `rows`: their sum is round(sparsity * all weights), halves up.
// `sparsity` in [0, 1].
std::vector<int32_t> ExactSparsity(const std::vector<RowRate>& rows, double sparsity);

}  // namespace besa::pruner
