// The two implementations behind adam_kernels.h. Arguments have been checked there.
#pragma once

#include "worker/kernels/adam_kernels.h"

namespace besa::kernels::cpu {

void AdamAdvance(const AdamOptions& options, bool apply, AdamClock& clock);
void AdamStep(const Device& device, const AdamOptions& options, const AdamClock& clock, const ConstMatrix& gradient,
              const ConstMatrix& dense, const AdamState& state, const Matrix& weight);

}  // namespace besa::kernels::cpu

namespace besa::kernels::cuda {

absl::Status AdamAdvance(const Device& device, const AdamOptions& options, const bool* apply, AdamClock* clock);
absl::Status AdamStep(const Device& device, const AdamOptions& options, const AdamClock* clock, const bool* apply,
                      const ConstMatrix& gradient, const ConstMatrix& dense, const AdamState& state,
                      const Matrix& weight);

}  // namespace besa::kernels::cuda
