// Looking for NaN and infinity in what the device computes, a step behind it, so that it never waits.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/cuda/CUDAEvent.h>

#include <array>
#include <cstdint>

namespace besa::pruner {

// At most two tensors are under watch at a time. Not thread-safe.
class FiniteWatch {
 public:
  explicit FiniteWatch(at::Device device);

  // Queues the count of x's bad elements.
  void Queue(const at::Tensor& x);

  // Whether the one queued first, of those not asked for yet, is finite everywhere. Waits for that one only.
  bool NextIsFinite();

 private:
  static constexpr int kSlots = 2;

  // One count a slot: on the device, and where they arrive on the host.
  at::Tensor counted_;
  at::Tensor arrived_;
  std::array<at::cuda::CUDAEvent, kSlots> events_;
  int64_t queued_ = 0;
  int64_t asked_ = 0;
};

}  // namespace besa::pruner
