// Memory of the current CUDA device, for tests and benchmarks.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <stdexcept>
#include <string>

namespace besa::kernels {

inline void CheckCuda(cudaError_t error) {
  if (error != cudaSuccess) throw std::runtime_error(std::string("CUDA: ") + cudaGetErrorString(error));
}

// Why CUDA tests cannot run here; empty if they can.
inline std::string WhyNoGpu() {
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error != cudaSuccess) return std::string("no CUDA device: ") + cudaGetErrorString(error);
  return count > 0 ? "" : "no CUDA device";
}

class CudaBuffer {
 public:
  // Filled with a pattern that is no answer (as floats, a tiny negative number).
  explicit CudaBuffer(size_t bytes) : bytes_(bytes) {
    CheckCuda(cudaMalloc(&data_, bytes));
    CheckCuda(cudaMemset(data_, 0xA5, bytes));
  }
  CudaBuffer(const void* host, size_t bytes) : CudaBuffer(bytes) {
    CheckCuda(cudaMemcpy(data_, host, bytes, cudaMemcpyHostToDevice));
  }
  ~CudaBuffer() { cudaFree(data_); }
  CudaBuffer(const CudaBuffer&) = delete;
  CudaBuffer& operator=(const CudaBuffer&) = delete;

  void* data() { return data_; }
  template <typename T>
  T* As() {
    return static_cast<T*>(data_);
  }
  // Waits for the device.
  void CopyTo(void* host) { CheckCuda(cudaMemcpy(host, data_, bytes_, cudaMemcpyDeviceToHost)); }

 private:
  size_t bytes_;
  void* data_ = nullptr;
};

}  // namespace besa::kernels
