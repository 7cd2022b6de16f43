#include "worker/pruner/finite_watch.h"

#include <ATen/ops/empty.h>
#include <c10/util/Exception.h>

#include "worker/pruner/tensor_kernels.h"

namespace besa::pruner {

FiniteWatch::FiniteWatch(at::Device device)
    : counted_(at::empty({kSlots}, at::TensorOptions(device).dtype(at::kLong))) {
  arrived_ =
      device.is_cuda() ? at::empty({kSlots}, at::TensorOptions().dtype(at::kLong).pinned_memory(true)) : counted_;
}

void FiniteWatch::Queue(const at::Tensor& x) {
  TORCH_CHECK(queued_ - asked_ < kSlots, "ask for the first one before the third");
  const int64_t slot = queued_++ % kSlots;
  CountNonFinite(x, counted_.select(0, slot));
  if (!x.is_cuda()) return;
  arrived_.select(0, slot).copy_(counted_.select(0, slot), /*non_blocking=*/true);
  events_[static_cast<size_t>(slot)].record();
}

bool FiniteWatch::NextIsFinite() {
  const int64_t slot = asked_++ % kSlots;
  if (counted_.is_cuda()) events_[static_cast<size_t>(slot)].synchronize();
  return arrived_.data_ptr<int64_t>()[slot] == 0;
}

}  // namespace besa::pruner
