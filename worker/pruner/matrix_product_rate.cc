#include "worker/pruner/matrix_product_rate.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/randn.h>

#include <algorithm>

namespace besa::pruner {

absl::StatusOr<double> MeasureMatrixProducts(const ComputeDevice& device, const Clock& clock) {
  const bool cuda = device.device().is_cuda();
  // Large enough to fill the device.
  const int64_t size = cuda ? 8192 : 1024;
  // Long enough for a GPU to get as slow as it does when it is warm. On a CPU others may have taken the cores
  // meanwhile, so the fastest product counts, and a worker has better to do.
  const absl::Duration enough = cuda ? absl::Seconds(1) : absl::Milliseconds(250);
  const int at_once = cuda ? 20 : 1;
  const at::TensorOptions options = device.OptionsFor(std::nullopt);
  // Random numbers: zeros take less power and so run faster.
  const at::Tensor a = at::randn({size, size}, options);
  const at::Tensor b = at::randn({size, size}, options);
  at::Tensor product = at::empty({size, size}, options);
  const auto run = [&] {
    for (int i = 0; i < at_once; ++i) at::mm_out(product, a, b);
    device.Synchronize();
  };
  run();
  const absl::Duration begin = clock.Steady();
  absl::Duration end = begin;
  absl::Duration fastest = absl::InfiniteDuration();
  int64_t runs = 0;
  do {
    const absl::Duration before = end;
    run();
    end = clock.Steady();
    fastest = std::min(fastest, end - before);
    ++runs;
  } while (end - begin < enough);
  const absl::Duration of_a_run = cuda ? (end - begin) / runs : fastest;
  const double flops = 2.0 * static_cast<double>(size) * static_cast<double>(size) * static_cast<double>(size);
  return flops * at_once / absl::ToDoubleSeconds(of_a_run);
}

}  // namespace besa::pruner
