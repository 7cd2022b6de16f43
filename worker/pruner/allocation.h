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

#include "worker/kernels/allocation_kernels.h"
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

  // What the current logits mean. Views of buffers: valid until Forward is called again.
  struct Rates {
    // alpha of each group, [groups].
    at::Tensor rate;
    // Weights to remove from each row of the block, [rows], int32.
    at::Tensor pruned;
    // Share of the block's weights: the mean of the rates, weighted by weights. A scalar.
    at::Tensor sparsity;
  };
  Rates Forward() const;

  // Gradient of loss + penalty by beta, given the histogram [rows of the block, 101] of dL/dW * W (float or double).
  // Valid until Backward is called again.
  at::Tensor Backward(const Rates& rates, const at::Tensor& histogram) const;

  // Which linears' parts of a gradient are finite, [7] bool, and whether all are, a scalar. Valid until it is called
  // again.
  struct Finite {
    at::Tensor linears;
    at::Tensor all;
  };
  Finite CheckFinite(const at::Tensor& gradient) const;

  // Memory that kernels of the allocation and of its optimiser share.
  const at::Tensor& scratch() const { return scratch_; }

  // One linear's part of a tensor with one entry a row, or one entry a group.
  at::Tensor RowsOf(Linear linear, const at::Tensor& per_row) const;
  at::Tensor GroupsOf(Linear linear, const at::Tensor& per_group) const;

  // The rate of every row of the block, on the host, from the logits.
  std::vector<double> FinalRates() const;

 private:
  kernels::AllocationProblem Problem() const;

  AllocationOptions options_;
  // Where each linear's rows and groups begin; the last entry is the total.
  std::array<int64_t, kLinears + 1> first_row_{};
  std::array<int64_t, kLinears + 1> first_group_{};
  // On the host: the first row of each group; the last entry is the number of rows.
  std::vector<int32_t> first_row_of_group_;
  // The same on the device, and what else kernels::AllocationProblem points to.
  at::Tensor group_begin_;
  at::Tensor cols_of_row_;
  at::Tensor share_of_group_;
  // Undefined without a prior.
  at::Tensor prior_;

  at::Tensor beta_;
  // Results of Forward, Backward and CheckFinite.
  Rates rates_;
  at::Tensor gradient_;
  Finite finite_;
  at::Tensor scratch_;
};

}  // namespace besa::pruner
