// How long a GPU's kernels run, by the GPU's own clock (CUPTI, through LibTorch's profiler).
#pragma once

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"

namespace besa::pruner {

// One at a time in a process. Start and Stop are called from the thread that uses the engine.
class KernelTimes {
 public:
  struct Sum {
    int64_t kernels = 0;
    // Of all kernels one after the other, copies and fills on the device included.
    double seconds = 0.0;
  };

  // Waits until the device is idle; everything that it does from then on counts, kernels of graphs too. It does so more
  // slowly, for the kernels themselves take as long as ever but the tracing takes time between them.
  static absl::StatusOr<std::unique_ptr<KernelTimes>> Start();
  ~KernelTimes();

  // Waits for the device and ends the tracing. Once.
  absl::StatusOr<Sum> Stop();

 private:
  KernelTimes() = default;
  bool running_ = true;
};

}  // namespace besa::pruner
