// Times the CUDA kernels on the shapes of real models: `kernels_bench`. Median of 25 runs by CUDA events; every matrix
// is larger than the L2 cache.
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "worker/kernels/cuda_buffer.h"
#include "worker/kernels/kernels.h"

namespace besa::kernels {
namespace {

double MedianMs(const std::function<absl::Status()>& run) {
  cudaEvent_t start = nullptr;
  cudaEvent_t stop = nullptr;
  CheckCuda(cudaEventCreate(&start));
  CheckCuda(cudaEventCreate(&stop));
  std::vector<float> times;
  for (int i = 0; i < 28; ++i) {
    CheckCuda(cudaEventRecord(start));
    if (const absl::Status status = run(); !status.ok()) throw std::runtime_error(status.ToString());
    CheckCuda(cudaEventRecord(stop));
    CheckCuda(cudaEventSynchronize(stop));
    float ms = 0;
    CheckCuda(cudaEventElapsedTime(&ms, start, stop));
    if (i >= 3) times.push_back(ms);
  }
  std::nth_element(times.begin(), times.begin() + times.size() / 2, times.end());
  return times[times.size() / 2];
}

// Small random bfloat16 numbers of both signs, their exponents within a factor of 16.
std::vector<uint16_t> RandomBFloat16(int64_t count, uint32_t seed) {
  std::mt19937 generator(seed);
  std::vector<uint16_t> values(count);
  for (uint16_t& value : values) {
    const uint32_t bits = generator();
    value = static_cast<uint16_t>((bits & 0x81ffu) | 0x3c00u);
  }
  return values;
}

void Bench(int64_t rows, int64_t cols) {
  const int64_t weights = rows * cols;
  const auto host = RandomBFloat16(weights, 1);
  const std::vector<float> ones(cols, 1.0f);
  const std::vector<int32_t> half(rows, static_cast<int32_t>(cols / 2));
  CudaBuffer weight(host.data(), weights * 2);
  CudaBuffer gradient(host.data(), weights * 2);
  CudaBuffer out(weights * 2);
  CudaBuffer order(weights * 2);
  CudaBuffer sums(ones.data(), cols * 4);
  CudaBuffer k(half.data(), rows * 4);
  CudaBuffer h(rows * kCandidates * 4);
  const Device device = Device::Cuda(nullptr);
  const ConstMatrix w(weight.data(), ElementType::kBFloat16, rows, cols);
  const ConstMatrix g(gradient.data(), ElementType::kBFloat16, rows, cols);

  const auto report = [&](const char* name, double bytes_per_weight, double ms) {
    std::printf("| %lldx%lld | %s | %.3f | %.0f |\n", static_cast<long long>(rows), static_cast<long long>(cols), name,
                ms, bytes_per_weight * static_cast<double>(weights) / ms / 1e6);
    std::fflush(stdout);
  };
  report("device-to-device copy", 4, MedianMs([&] {
           CheckCuda(cudaMemcpyAsync(out.data(), weight.data(), weights * 2, cudaMemcpyDeviceToDevice));
           return absl::OkStatus();
         }));
  report("RankRows", 4, MedianMs([&] { return RankRows(device, w, sums.data(), 1, order.As<uint16_t>(), nullptr); }));
  report("WriteMasked (half)", 5, MedianMs([&] {
           return WriteMasked(device, w, order.As<uint16_t>(), k.As<int32_t>(),
                              Matrix{out.data(), ElementType::kBFloat16, rows, cols});
         }));
  // What a step of training changes: a hundredth of each row goes or comes back.
  std::vector<int32_t> more(half);
  for (int32_t& count : more) count += static_cast<int32_t>(cols / 100);
  const std::vector<int32_t> unknown(rows, -1);
  CudaBuffer k_more(more.data(), rows * 4);
  CudaBuffer k_before(unknown.data(), rows * 4);
  bool grows = false;
  report("UpdateMasked (a hundredth)", 0.05, MedianMs([&] {
           grows = !grows;
           return UpdateMasked(device, w, order.As<uint16_t>(), (grows ? k_more : k).As<int32_t>(),
                               k_before.As<int32_t>(), Matrix{out.data(), ElementType::kBFloat16, rows, cols});
         }));
  report("BucketHistogram", 6, MedianMs([&] { return BucketHistogram(device, w, g, order.As<uint16_t>(), h.data()); }));
  report("AddColumnSquares", 2, MedianMs([&] { return AddColumnSquares(device, w, sums.data()); }));
}

int Main() {
  if (const std::string why = WhyNoGpu(); !why.empty()) {
    std::printf("kernels_bench measures CUDA kernels: %s\n", why.c_str());
    return 0;
  }
  cudaDeviceProp properties = {};
  CheckCuda(cudaGetDeviceProperties(&properties, 0));
  std::printf("%s, bfloat16\n\n| shape | kernel | ms | GB/s |\n|---|---|---|---|\n", properties.name);
  Bench(4096, 11008);
  Bench(11008, 4096);
  Bench(8192, 28672);
  Bench(28672, 8192);
  return 0;
}

}  // namespace
}  // namespace besa::kernels

int main() { return besa::kernels::Main(); }
