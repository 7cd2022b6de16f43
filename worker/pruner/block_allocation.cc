#include "worker/pruner/block_allocation.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "worker/pruner/exact_sparsity.h"

namespace besa::pruner {

std::vector<double> ShareOut(const std::vector<double>& divergence, int64_t weights, const BesaOptions& options) {
  const size_t blocks = divergence.size();
  const bool made_good_later = options.schedule == Schedule::kSequential && options.recovery.given();
  std::vector<double> cost(blocks);
  for (size_t block = 0; block < blocks; ++block) {
    // A block that nobody misses may be at zero, but for rounding.
    cost[block] = std::log(std::max(divergence[block], std::numeric_limits<double>::min()));
    if (made_good_later && blocks > 1) cost[block] += static_cast<double>(block) / static_cast<double>(blocks - 1);
  }
  const double mean = std::accumulate(cost.begin(), cost.end(), 0.0) / static_cast<double>(blocks);

  std::vector<RowRate> rates(blocks);
  for (size_t block = 0; block < blocks; ++block) {
    const double apart = std::clamp((mean - cost[block]) / kDivergenceGrowth, -kFurthestFromMean, kFurthestFromMean);
    rates[block] = {.cols = weights, .rate = options.sparsity + apart};
  }
  const std::vector<int32_t> removed = ExactSparsity(rates, options.sparsity);
  std::vector<double> shares(blocks);
  for (size_t block = 0; block < blocks; ++block) {
    shares[block] = static_cast<double>(removed[block]) / static_cast<double>(weights);
  }
  return shares;
}

}  // namespace besa::pruner
