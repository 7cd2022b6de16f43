#include "worker/pruner/compute_device.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/cuda/CUDAContextLight.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAFunctions.h>
#include <cuda_runtime_api.h>
#include <malloc.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <thread>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "storage/base/error_info.h"
#include "worker/pruner/huge_pages.h"

namespace besa::pruner {
namespace {

// The value after "<key>:" of a /proc file, trimmed; empty if there is none.
std::string ProcValue(const char* path, absl::string_view key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    absl::string_view rest = line;
    if (!absl::ConsumePrefix(&rest, key)) continue;
    rest = absl::StripLeadingAsciiWhitespace(rest);
    if (!absl::ConsumePrefix(&rest, ":")) continue;
    return std::string(absl::StripAsciiWhitespace(rest));
  }
  return "";
}

// A whole number in a file, or the largest one ("max", or no such file).
int64_t NumberIn(const char* path) {
  std::ifstream file(path);
  std::string text;
  int64_t value = 0;
  if (!std::getline(file, text) || !absl::SimpleAtoi(text, &value)) return std::numeric_limits<int64_t>::max();
  return value;
}

int64_t PhysicalMemory() {
  const int64_t physical = static_cast<int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGE_SIZE);
  return std::min(physical, NumberIn("/sys/fs/cgroup/memory.max"));
}

int64_t FreePhysicalMemory() {
  int64_t kib = 0;
  absl::string_view text;
  const std::string value = ProcValue("/proc/meminfo", "MemAvailable");
  text = value;
  absl::ConsumeSuffix(&text, "kB");
  const int64_t free = absl::SimpleAtoi(absl::StripAsciiWhitespace(text), &kib) ? kib * 1024 : PhysicalMemory();
  const int64_t limit = NumberIn("/sys/fs/cgroup/memory.max");
  const int64_t used = NumberIn("/sys/fs/cgroup/memory.current");
  if (limit == std::numeric_limits<int64_t>::max() || used == limit) return free;
  return std::min(free, std::max<int64_t>(0, limit - used));
}

// A training step frees and takes the same buffers again and again. Left to itself, malloc gives them back to the
// system in between and gets every page anew: 7% of the time of a small model's step. It may keep this much.
void KeepFreedMemory() {
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, 256 << 20);
}

absl::StatusOr<DeviceInfo> OpenCpu(const EngineOptions& options) {
  KeepFreedMemory();
  PutTensorsIntoHugePages();
  DeviceInfo info{.id = "cpu", .model = ProcValue("/proc/cpuinfo", "model name"), .memory_bytes = PhysicalMemory()};
  if (info.model.empty()) info.model = "unknown CPU";
  const int all = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  info.threads = options.threads > 0 ? options.threads : all;
  return info;
}

absl::StatusOr<DeviceInfo> OpenCuda(const EngineOptions& options, int index) {
  if (!at::hasCUDA()) {
    return absl::FailedPreconditionError(
        absl::StrCat("device ", options.device, ": this process sees no GPU (no driver, or none is visible)"));
  }
  const int count = c10::cuda::device_count();
  if (index >= count) {
    return absl::FailedPreconditionError(
        absl::StrCat("device ", options.device, ": this process sees ", count, " GPUs, numbered from 0"));
  }
  const cudaDeviceProp* properties = at::cuda::getDeviceProperties(static_cast<c10::DeviceIndex>(index));
  return DeviceInfo{.id = options.device,
                    .model = properties->name,
                    .memory_bytes = static_cast<int64_t>(properties->totalGlobalMem),
                    .threads = std::max(1, options.threads)};
}

}  // namespace

absl::StatusOr<ComputeDevice> ComputeDevice::Open(const EngineOptions& options) {
  if (options.threads < 0) {
    return FieldError("threads", absl::StrCat(options.threads), "a number of threads, or 0 for all");
  }
  at::Device device(at::kCPU);
  absl::StatusOr<DeviceInfo> info = absl::UnknownError("");
  absl::string_view name = options.device;
  int index = 0;
  if (name == "cpu") {
    info = OpenCpu(options);
  } else if (absl::ConsumePrefix(&name, "cuda:") && absl::SimpleAtoi(name, &index) && index >= 0 && index < 128) {
    // cuBLAS gives the same sums every time only with a fixed workspace; LibTorch insists on it in deterministic mode.
    setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", /*overwrite=*/0);
    device = at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(index));
    info = OpenCuda(options, index);
  } else {
    return FieldError("device", options.device, "\"cpu\" or \"cuda:N\"");
  }
  if (!info.ok()) return std::move(info).status();
  if (options.memory_limit > 0) info->memory_bytes = std::min(info->memory_bytes, options.memory_limit);
  return ComputeDevice(device, *std::move(info), options.memory_limit);
}

at::ScalarType ComputeDevice::TypeFor(std::optional<ComputeType> compute) const {
  const ComputeType type = compute.value_or(device_.is_cuda() ? ComputeType::kBFloat16 : ComputeType::kFloat32);
  return type == ComputeType::kBFloat16 ? at::kBFloat16 : at::kFloat;
}

at::TensorOptions ComputeDevice::OptionsFor(std::optional<ComputeType> compute) const {
  return at::TensorOptions().device(device_).dtype(TypeFor(compute));
}

void ComputeDevice::Use() const {
  if (at::get_num_threads() != info_.threads) at::set_num_threads(info_.threads);
  if (!device_.is_cuda()) return;
  c10::cuda::set_device(device_.index());
  at::Context& context = at::globalContext();
  // Statistics of the allocator can be asked for only then.
  context.lazyInitDevice(at::kCUDA);
  context.setDeterministicAlgorithms(/*b=*/true, /*warn_only=*/false);
  context.setDeterministicFillUninitializedMemory(false);
  context.setAllowTF32CuBLAS(false);
}

int64_t ComputeDevice::AvailableMemory(int64_t held) const {
  int64_t free = 0;
  if (device_.is_cuda()) {
    c10::cuda::CUDACachingAllocator::emptyCache();
    size_t free_bytes = 0;
    size_t total_bytes = 0;
    C10_CUDA_CHECK(cudaMemGetInfo(&free_bytes, &total_bytes));
    const auto stats = c10::cuda::CUDACachingAllocator::getDeviceStats(device_.index());
    free = static_cast<int64_t>(free_bytes) + stats.reserved_bytes[0].current;
  } else {
    free = AvailableHostMemory(held);
  }
  return memory_limit_ > 0 ? std::min(free, memory_limit_) : free;
}

int64_t ComputeDevice::AvailableHostMemory(int64_t held) { return FreePhysicalMemory() + held; }

int64_t ComputeDevice::PeakMemory() const {
  if (!device_.is_cuda()) return 0;
  const auto stats = c10::cuda::CUDACachingAllocator::getDeviceStats(device_.index());
  return stats.reserved_bytes[0].peak;
}

void ComputeDevice::Synchronize() const {
  if (device_.is_cuda()) c10::cuda::device_synchronize();
}

}  // namespace besa::pruner
