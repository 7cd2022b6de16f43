// The golden vectors and the small model of tests/data as tensors. For tests only.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>

#include "worker/pruner/block_weights.h"

namespace besa::pruner {

using Tensors = std::map<std::string, at::Tensor>;

// All tensors of tests/data/<path>. Fails the test program if the file cannot be read.
Tensors ReadTensors(const std::string& path);

// books-llama-3m.
BlockShape SmallShape();

// A block of books-llama-3m in the type and on the device of `options`.
BlockWeights SmallBlock(const Tensors& model, int64_t block, const at::TensorOptions& options);

// Largest absolute difference, and the same relative to the largest value of `expected`. Computed in float64 on the
// host.
double MaxDifference(const at::Tensor& actual, const at::Tensor& expected);
double MaxRelativeDifference(const at::Tensor& actual, const at::Tensor& expected);

}  // namespace besa::pruner
