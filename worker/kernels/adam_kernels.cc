#include "worker/kernels/adam_kernels.h"

#include "absl/strings/str_cat.h"
#include "storage/base/status_macros.h"
#include "worker/kernels/adam_twins.h"
#include "worker/kernels/checks.h"

namespace besa::kernels {
namespace {

using internal::CheckMatrix;
using internal::CheckMatrixIs;
using internal::CheckPointer;

bool IsShare(double value) { return value >= 0.0 && value < 1.0; }

absl::Status CheckOptions(const AdamOptions& options) {
  if (!IsShare(options.beta1) || !IsShare(options.beta2)) {
    return absl::InvalidArgumentError(
        absl::StrCat("betas are ", options.beta1, " and ", options.beta2, "; expected 0 or more and below 1"));
  }
  if (options.steps < 1) {
    return absl::InvalidArgumentError(absl::StrCat("steps is ", options.steps, "; expected at least 1"));
  }
  if (!(options.decay >= 0.0)) {
    return absl::InvalidArgumentError(absl::StrCat("decay is ", options.decay, "; expected 0 or more"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status AdamAdvance(const Device& device, const AdamOptions& options, const bool* apply, AdamClock* clock) {
  RETURN_IF_ERROR(CheckOptions(options));
  RETURN_IF_ERROR(CheckPointer(apply, "apply"));
  RETURN_IF_ERROR(CheckPointer(clock, "clock"));
  if (device.is_cuda) return cuda::AdamAdvance(device, options, apply, clock);
  cpu::AdamAdvance(options, *apply, *clock);
  return absl::OkStatus();
}

absl::Status AdamStep(const Device& device, const AdamOptions& options, const AdamClock* clock, const bool* apply,
                      const ConstMatrix& gradient, const ConstMatrix& dense, const AdamState& state,
                      const Matrix& weight) {
  RETURN_IF_ERROR(CheckOptions(options));
  RETURN_IF_ERROR(CheckMatrix(device, gradient, "gradient"));
  RETURN_IF_ERROR(CheckMatrixIs(device, weight, gradient.type, gradient.rows, gradient.cols, "weight"));
  RETURN_IF_ERROR(CheckPointer(clock, "clock"));
  RETURN_IF_ERROR(CheckPointer(apply, "apply"));
  if (gradient.rows == 0) return absl::OkStatus();
  RETURN_IF_ERROR(CheckPointer(state.master, "state.master"));
  RETURN_IF_ERROR(CheckPointer(state.first_moment, "state.first_moment"));
  RETURN_IF_ERROR(CheckPointer(state.second_moment, "state.second_moment"));
  if (options.decay != 0.0) {
    RETURN_IF_ERROR(CheckMatrixIs(device, dense, gradient.type, gradient.rows, gradient.cols, "dense"));
  }
  if (device.is_cuda) return cuda::AdamStep(device, options, clock, apply, gradient, dense, state, weight);
  if (*apply) cpu::AdamStep(device, options, *clock, gradient, dense, state, weight);
  return absl::OkStatus();
}

}  // namespace besa::kernels
