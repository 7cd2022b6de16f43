#include "worker/pruner/kernel_times.h"

#include <c10/cuda/CUDAFunctions.h>
#include <torch/csrc/autograd/profiler_kineto.h>

#include <set>

#include "worker/pruner/errors.h"

namespace besa::pruner {
namespace {

namespace profiler = torch::autograd::profiler;
using torch::profiler::impl::ActivityType;
using torch::profiler::impl::ProfilerConfig;
using torch::profiler::impl::ProfilerState;

const std::set<ActivityType>& Activities() {
  static const auto* const activities = new std::set<ActivityType>{ActivityType::CUDA};
  return *activities;
}

}  // namespace

absl::StatusOr<std::unique_ptr<KernelTimes>> KernelTimes::Start() {
  return CatchExceptions([&]() -> absl::StatusOr<std::unique_ptr<KernelTimes>> {
    c10::cuda::device_synchronize();
    const ProfilerConfig config(ProfilerState::KINETO);
    profiler::prepareProfiler(config, Activities());
    profiler::enableProfiler(config, Activities());
    return std::unique_ptr<KernelTimes>(new KernelTimes());
  });
}

KernelTimes::~KernelTimes() {
  if (running_) (void)Stop();
}

absl::StatusOr<KernelTimes::Sum> KernelTimes::Stop() {
  running_ = false;
  return CatchExceptions([&]() -> absl::StatusOr<Sum> {
    c10::cuda::device_synchronize();
    const std::unique_ptr<profiler::ProfilerResult> result = profiler::disableProfiler();
    Sum sum;
    for (const profiler::KinetoEvent& event : result->events()) {
      if (event.deviceType() != c10::DeviceType::CUDA) continue;
      ++sum.kernels;
      sum.seconds += static_cast<double>(event.durationNs()) * 1e-9;
    }
    return sum;
  });
}

}  // namespace besa::pruner
