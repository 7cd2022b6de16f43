// SparseGPT's second-order statistics: X^T X of the inputs of each group of linears.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "worker/pruner/block_weights.h"
#include "worker/pruner/llama_block.h"
#include "worker/pruner/rank_group.h"

namespace besa::pruner {

class InputHessians {
 public:
  InputHessians(const BlockShape& shape, const at::TensorOptions& options);

  // Adds the inputs that a dense forward pass left in `state`.
  void Add(const BlockState& state);

  // Adds what the other ranks were given, once all are through.
  void AddUp(RankGroup& ranks);

  // BadNumbers of the first group whose sums are not finite.
  absl::Status CheckFinite(int64_t block_index) const;

  // [group cols, group cols] in float64: the sum over samples and tokens. Hands it over.
  at::Tensor Take(Group group);

 private:
  std::array<at::Tensor, kGroups> sums_;
};

struct InverseFactor {
  // U, upper triangular: H^-1 = U^T U.
  at::Tensor factor;
  // The damping that it took.
  double damping = 0.0;
};

// Factorises the inverse of `hessian` + damping * mean(diagonal) * I, symmetric. If that is not positive definite, with
// ten times the damping, up to 10^4 times; then FAILED_PRECONDITION. Takes the only reference to `hessian`.
absl::StatusOr<InverseFactor> FactorInverse(at::Tensor hessian, double damping);

}  // namespace besa::pruner
