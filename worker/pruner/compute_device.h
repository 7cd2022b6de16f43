// The device an Engine works on.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "worker/pruner/pruner.h"

namespace besa::pruner {

class ComputeDevice {
 public:
  // INVALID_ARGUMENT for a name that is not "cpu" or "cuda:N"; FAILED_PRECONDITION for a device that is not there.
  static absl::StatusOr<ComputeDevice> Open(const EngineOptions& options);

  at::Device device() const { return device_; }
  const DeviceInfo& info() const { return info_; }

  // What a request that names no type is computed in.
  at::ScalarType TypeFor(std::optional<ComputeType> compute) const;
  at::TensorOptions OptionsFor(std::optional<ComputeType> compute) const;

  // Sets up the calling thread: number of threads, deterministic algorithms, full float32 precision. LibTorch keeps
  // some of that per thread, so every operation begins with it.
  void Use() const;

  // Bytes that may be taken, within the limit, if the caller lets go of all that it holds: on a CPU `held` bytes, on
  // CUDA whatever LibTorch's allocator has.
  int64_t AvailableMemory(int64_t held) const;

  // Bytes of host memory that may be taken, if the caller lets go of `held` bytes of it.
  static int64_t AvailableHostMemory(int64_t held);

  // The most bytes of device memory taken at once so far, caches of the allocator included; 0 on a CPU.
  int64_t PeakMemory() const;

  // Waits until everything queued is done.
  void Synchronize() const;

 private:
  ComputeDevice(at::Device device, DeviceInfo info, int64_t memory_limit)
      : device_(device), info_(std::move(info)), memory_limit_(memory_limit) {}

  at::Device device_;
  DeviceInfo info_;
  int64_t memory_limit_;
};

}  // namespace besa::pruner
