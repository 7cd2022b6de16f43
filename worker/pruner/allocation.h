// The allocation of one block: logits beta -> distribution over candidate rates -> rate of each row -> weights to
// remove, and the gradient back from the bucket histogram.
//
// Candidate d = 0..100 removes the share p_d = (100 - d) / 100 of a row. A group of rows (one row, or with layer
// granularity all rows of a linear) has logits beta [101], distribution s and rate alpha = sum_d s_d p_d:
//   paper   s = softmax(sigmoid(beta))
//   prior   s = softmax(beta - ((p_d - S) / sigma)^2 / 2)
// k = floor(C * alpha + 1/1024) weights of the row are removed in training.
// All of it is float64, whatever the block computes in: these tensors are small, and a k that flips because a rate was
// rounded sends the whole training another way (docs/method.md has the figures).
// Source: the BESA paper, sections 3.2 and 3.3, and for the prior docs/method.md.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <vector>

#include "worker/pruner/block_shape.h"
#include "worker/pruner/pruner.h"

namespace besa::pruner {

struct AllocationOptions {
  double sparsity = 0.5;
  Granularity granularity = Granularity::kRow;
  // Width of the prior; 0 means the paper's parametrisation.
  double prior_sigma = 0.0;
  // Weight of the sparsity penalty lambda * ((s_block - S) / S)^2.
  double penalty = 5.0;

  bool operator==(const AllocationOptions&) const = default;
};

class Allocation {
 public:
  Allocation(const BlockShape& shape, const AllocationOptions& options, at::Device device);

  // The logits of all groups, [groups, 101], in the order of the linears; start at 0 and are trained in place.
  const at::Tensor& beta() const { return beta_; }

  // What the current logits mean.
  struct Rates {
    // s, [groups, 101].
    at::Tensor distribution;
    // alpha of each group, [groups].
    at::Tensor rate;
    // Weights to remove from each row of the block, [rows], int32.
    at::Tensor pruned;
    // Share of the block's weights: the mean of the rates, weighted by weights. A scalar.
    at::Tensor sparsity;
  };
  Rates Forward() const;

  // Gradient of loss + penalty by beta, given the histogram [rows of the block, 101] of dL/dW * W (any
  // floating type).
  at::Tensor Backward(const Rates& rates, const at::Tensor& histogram) const;

  // One linear's part of a tensor with one entry a row, or one entry a group.
  at::Tensor RowsOf(Linear linear, const at::Tensor& per_row) const;
  at::Tensor GroupsOf(Linear linear, const at::Tensor& per_group) const;

  // The rate of every row of the block, on the host, from the logits.
  std::vector<double> FinalRates() const;

 private:
  at::Tensor Distribution() const;

  BlockShape shape_;
  AllocationOptions options_;
  // Where each linear's rows and groups begin; the last entry is the total.
  std::array<int64_t, kLinears + 1> first_row_{};
  std::array<int64_t, kLinears + 1> first_group_{};
  at::Tensor beta_;
  // p, [101].
  at::Tensor candidates_;
  // The prior's logits, [101]; undefined without a prior.
  at::Tensor prior_;
  // [101, 101], one where d >= i: turns bucket sums into sums over all buckets from i on.
  at::Tensor tail_;
  // C of every row and its group, [rows].
  at::Tensor cols_of_row_;
  at::Tensor group_of_row_;
  // Share of the block's weights in each group, [groups].
  at::Tensor weight_of_group_;
};

}  // namespace besa::pruner
