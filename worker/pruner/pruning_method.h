// What prune_block asks of a method: BESA, and its baselines magnitude, Wanda and SparseGPT. One small file each; to
// add one: a file, a line below and a line in MakeMethod.
//
// A method first sees the inputs of the block's linears in the dense forward pass, batch by batch; then it decides.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "worker/pruner/activations.h"
#include "worker/pruner/block_weights.h"
#include "worker/pruner/llama_block.h"
#include "worker/pruner/progress.h"
#include "worker/pruner/pruner.h"
#include "worker/pruner/rank_group.h"
#include "worker/pruner/sample_share.h"

namespace besa::pruner {

class BlockWorkspace;

// The block to prune.
struct BlockInputs {
  // Resolved. Of the method that it is given to.
  const BesaOptions& options;
  const LlamaBlock& block;
  int64_t block_index = 0;
  const BlockWeights& dense;
  // What enters the block, and what it should make of that, [own samples, length, hidden]: this rank's share of all
  // samples.
  Activations x;
  Activations reference;
  // What the block behind it makes of the reference, if the loss looks ahead: then the workspace has its weights.
  Activations next_reference;
  SampleShare share;
  // Whose block and dense weights these are; for BESA.
  BlockWorkspace* workspace = nullptr;
};

// What is to become of one linear.
struct LinearPruning {
  // [rows, cols], uint16 values in an int16 tensor, on the device: the columns of each row, those to remove first.
  at::Tensor order;
  // Weights to remove from each row, [rows].
  std::vector<int32_t> pruned;
  // Share of each row to remove that the method had in mind, [rows].
  std::vector<float> rate;
  // [rows, cols], floating: new values of what is kept. Undefined: they stay as they are.
  at::Tensor weight;
  // What `order` follows from, so that recovery can work it out again for weights that have changed: the sum of x^2 of
  // every column, [cols] in the accumulator type, and the pattern. Undefined where masks belong to `weight`.
  at::Tensor squares;
  Pattern pattern;
};

struct MethodResult {
  std::array<LinearPruning, kLinears> linears;
  // See BlockPruning.
  std::vector<float> loss;
  std::vector<float> sparsity;
  int skipped_steps = 0;
  std::vector<std::string> warnings;
};

class PruningMethod {
 public:
  virtual ~PruningMethod() = default;

  // `state` as the dense block's forward pass on some of this rank's samples left it.
  virtual void Observe(const BlockState& state) = 0;

  // Once, after all samples were observed: adds what the other ranks observed of theirs. Every rank has the same then.
  virtual void AddUp(RankGroup& ranks) = 0;

  // Once, after that. Statistics are freed on the way. Errors as Engine::Prune.
  virtual absl::StatusOr<MethodResult> Prune(const BlockInputs& inputs, StageReporter& reporter) = 0;
};

// Tensors will be in the type and on the device of `tensor_options`.
std::unique_ptr<PruningMethod> MakeMethod(Method method, const BlockShape& shape,
                                          const at::TensorOptions& tensor_options);

std::unique_ptr<PruningMethod> MakeBesa(const BlockShape& shape, const at::TensorOptions& tensor_options);
std::unique_ptr<PruningMethod> MakeMagnitude(const BlockShape& shape);
std::unique_ptr<PruningMethod> MakeWanda(const BlockShape& shape, const at::TensorOptions& tensor_options);
std::unique_ptr<PruningMethod> MakeSparseGpt(const BlockShape& shape, const at::TensorOptions& tensor_options);

}  // namespace besa::pruner
