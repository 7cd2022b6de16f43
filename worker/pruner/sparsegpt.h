// SparseGPT (Frantar and Alistarh 2023, "SparseGPT: Massive Language Models Can Be Accurately Pruned in One-Shot"): the
// weights of each block of columns that cost least go, and the columns behind make up for them.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "worker/pruner/pruner.h"

namespace besa::pruner {

// Prunes `weight` [rows, cols] in place, `factor` [cols, cols] being U of FactorInverse for its inputs. Returns where
// weights were removed, bool [rows, cols].
//
// `linear_rows`: rows of each linear that `weight` is made of, one below the other. Without a pattern each loses, in
// every block of columns, floor(sparsity * weights) + 1 weights: the published threshold is inclusive.
at::Tensor SparseGpt(const at::Tensor& weight, const at::Tensor& factor, const std::vector<int64_t>& linear_rows,
                     const BesaOptions& options);

}  // namespace besa::pruner
