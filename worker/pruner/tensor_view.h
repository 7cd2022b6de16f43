// LibTorch's tensors, devices and streams as worker/kernels knows them.
#pragma once

#include <ATen/core/Tensor.h>

#include "absl/status/status.h"
#include "worker/kernels/device.h"

namespace besa::pruner {

// The tensor's CPU with LibTorch's threads, or its CUDA device's current stream.
kernels::Device DeviceOf(const at::Tensor& x);

// A contiguous tensor as a matrix: its last dimension are the columns. Throws c10::Error if it is not contiguous or has
// a type that kernels do not know.
kernels::Matrix MatrixOf(const at::Tensor& x);

// Arguments that a kernel refuses are a mistake of ours: throws c10::Error.
void Check(const absl::Status& status);

}  // namespace besa::pruner
