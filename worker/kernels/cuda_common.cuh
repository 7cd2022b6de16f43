// What the CUDA kernels share: launches with their errors, element types, loads of 16 bytes.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "worker/kernels/device.h"

namespace besa::kernels::cuda {

inline constexpr unsigned kFullWarp = 0xffffffffu;

inline absl::Status ToStatus(cudaError_t error, const char* kernel) {
  if (error == cudaSuccess) return absl::OkStatus();
  return absl::InternalError(std::string("CUDA kernel ") + kernel + ": " + cudaGetErrorString(error));
}

// Bytes of shared memory that one block may ask for, 0 if the driver does not say.
inline size_t MaxSharedMemory() {
  int device = 0;
  int bytes = 0;
  if (cudaGetDevice(&device) != cudaSuccess) return 0;
  if (cudaDeviceGetAttribute(&bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, device) != cudaSuccess) return 0;
  return static_cast<size_t>(bytes);
}

// Queues kernel<<<blocks, threads, shared>>>(args...) on the device's stream.
template <typename... Parameters, typename... Arguments>
absl::Status Launch(const char* name, void (*kernel)(Parameters...), const Device& device, dim3 blocks, int threads,
                    size_t shared, Arguments... arguments) {
  // Blocks of more than 48 KiB have to be asked for.
  if (shared > 48 * 1024) {
    const cudaError_t error =
        cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared));
    if (error != cudaSuccess) return ToStatus(error, name);
  }
  kernel<<<blocks, static_cast<unsigned>(threads), shared, static_cast<cudaStream_t>(device.stream)>>>(arguments...);
  return ToStatus(cudaGetLastError(), name);
}
template <typename... Parameters, typename... Arguments>
absl::Status Launch(const char* name, void (*kernel)(Parameters...), const Device& device, int64_t blocks, int threads,
                    size_t shared, Arguments... arguments) {
  return Launch(name, kernel, device, dim3(static_cast<unsigned>(blocks)), threads, shared, arguments...);
}

// The upper half of a float.
struct BFloat16 {
  uint16_t bits;
};

__device__ __forceinline__ float Load(float value) { return value; }
__device__ __forceinline__ float Load(BFloat16 value) { return __uint_as_float(uint32_t{value.bits} << 16); }

// kCount elements that are moved at once.
template <typename T, int kCount>
struct alignas(sizeof(T) * kCount) Vector {
  T item[kCount];
};

// Elements in 16 bytes.
template <typename T>
inline constexpr int kPerVector = 16 / sizeof(T);

inline bool IsAligned(const void* pointer, size_t bytes) { return reinterpret_cast<uintptr_t>(pointer) % bytes == 0; }

// Calls function with a value of the C++ type of a matrix that a GPU can hold.
template <typename Function>
absl::Status VisitElement(ElementType type, const Function& function) {
  return type == ElementType::kBFloat16 ? function(BFloat16{}) : function(float{});
}

}  // namespace besa::kernels::cuda
