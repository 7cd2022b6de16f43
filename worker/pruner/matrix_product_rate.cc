#include "worker/pruner/matrix_product_rate.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/randn.h>

namespace besa::pruner {

absl::StatusOr<double> MeasureMatrixProducts(const ComputeDevice& device, const Clock& clock) {
  // Large enough to fill the device; on a CPU one that takes a fraction of a second.
  const int64_t size = device.device().is_cuda() ? 8192 : 1024;
  const at::TensorOptions options = device.OptionsFor(std::nullopt);
  // Random numbers: zeros take less power and so run faster.
  const at::Tensor a = at::randn({size, size}, options);
  const at::Tensor b = at::randn({size, size}, options);
  at::Tensor product = at::empty({size, size}, options);
  constexpr int kAtOnce = 20;
  const auto run = [&] {
    for (int i = 0; i < kAtOnce; ++i) at::mm_out(product, a, b);
    device.Synchronize();
  };
  run();
  const absl::Duration begin = clock.Steady();
  int64_t products = 0;
  absl::Duration passed;
  do {
    run();
    products += kAtOnce;
    passed = clock.Steady() - begin;
  } while (passed < absl::Seconds(1));
  const double flops = 2.0 * static_cast<double>(size) * static_cast<double>(size) * static_cast<double>(size);
  return flops * static_cast<double>(products) / absl::ToDoubleSeconds(passed);
}

}  // namespace besa::pruner
