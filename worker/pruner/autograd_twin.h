// The method written down plainly, with autograd: what the fast path is checked against. For tests only.
//
// Dense soft masks, straight-through estimator by detach(), attention with explicit scores, Prodigy with plain numbers.
// It shares nothing with the fast path but BlockWeights.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <vector>

#include "worker/pruner/allocation.h"
#include "worker/pruner/block_weights.h"

namespace besa::pruner {

// x [batch, length, hidden] -> y, by differentiable operations.
at::Tensor TwinBlock(const at::Tensor& x, const BlockWeights& weights, const std::array<at::Tensor, kLinears>& linears);

// The dense block.
at::Tensor TwinBlock(const at::Tensor& x, const BlockWeights& weights);

// Relative squared error, each channel counting alike (reconstruction_loss.h).
at::Tensor TwinLoss(const at::Tensor& y, const at::Tensor& reference);

// rank[r, c] = position of the weight in its row by ascending importance, ties by column; [rows, cols] int64.
at::Tensor TwinRank(const at::Tensor& weight, const at::Tensor& sum_of_squares, int64_t samples);

class AutogradTwin {
 public:
  AutogradTwin(const BlockWeights& dense, std::array<at::Tensor, kLinears> ranks, const AllocationOptions& options,
               double d_coef);

  struct Step {
    double loss = 0.0;
    double sparsity = 0.0;
    double d = 0.0;
    // dL/dbeta of each linear.
    std::array<at::Tensor, kLinears> gradient;
  };

  // With `next`, the block behind this one, the loss looks ahead (block_loss.h).
  Step Train(const at::Tensor& x, const at::Tensor& reference, const BlockWeights* next = nullptr,
             const at::Tensor& next_reference = {});

  // [rows or 1, 101].
  const at::Tensor& beta(Linear linear) const { return beta_[linear]; }
  // [rows], on the host.
  std::vector<double> Rates(Linear linear) const;
  std::vector<int32_t> Pruned(Linear linear) const;

 private:
  at::Tensor Distribution(const at::Tensor& beta) const;
  void Prodigy(const std::array<at::Tensor, kLinears>& gradients);

  BlockWeights dense_;
  std::array<at::Tensor, kLinears> ranks_;
  AllocationOptions options_;
  double d_coef_;
  at::Tensor candidates_;
  std::array<at::Tensor, kLinears> beta_;
  std::array<at::Tensor, kLinears> first_moment_;
  std::array<at::Tensor, kLinears> second_moment_;
  std::array<at::Tensor, kLinears> gradient_sum_;
  double d_ = 1e-6;
  double numerator_ = 0.0;
};

}  // namespace besa::pruner
