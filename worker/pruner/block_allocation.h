// How much each block of a model loses, from what losing it costs (BLOCK_ALLOCATION_MEASURED).
//
// A block's loss of accuracy grows about exponentially with its sparsity s: KL_b(s) = c_b e^(g s), with g of 6 to 10
// between 40 and 80% (docs/method.md has the measurements). The sum over the blocks is least, at a given mean of s,
// where all slopes are the same: s_b = S - (ln c_b - mean ln c) / g.
//
// Where blocks are recovered one after the other on what the blocks before them made of the inputs, what an early block
// loses is in part made good by the later ones: its c counts less, falling to 1/e from the last block to the first.
#pragma once

#include <cstdint>
#include <vector>

#include "worker/pruner/pruner.h"

namespace besa::pruner {

// The rate g; and how far a block may be from the model's sparsity, as the exponential holds only so far.
inline constexpr double kDivergenceGrowth = 7.5;
inline constexpr double kFurthestFromMean = 0.2;

// The share of each block's weights to remove: a whole number of them, which add up to round(sparsity * all weights).
// `divergence`, positive: of each block, KL divergence of the model with that block alone at `sparsity` (see
// Engine::SurveyBlocks). `weights`: of one block.
std::vector<double> ShareOut(const std::vector<double>& divergence, int64_t weights, const BesaOptions& options);

}  // namespace besa::pruner
