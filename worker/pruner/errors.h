// The pruner's errors, and the one place where LibTorch's exceptions become statuses.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace besa::pruner {

// OUT_OF_RANGE with reason BAD_NUMBERS, for NaN and infinity. `where` is a linear or tensor; facts "block" and
// "linear".
//   block 3, self_attn.q_proj: 17 weights are NaN or infinite
// A negative block leaves it out, for tensors outside the blocks.
absl::Status BadNumbers(int64_t block, absl::string_view where, absl::string_view what);

// RESOURCE_EXHAUSTED with reason NOT_ENOUGH_MEMORY; facts "needed_bytes" and "available_bytes".
//   block 3: needs 22.1 GiB of memory (weights 3.2 GiB, ...), 16.0 GiB are free
absl::Status NotEnoughMemory(absl::string_view what, absl::string_view parts, int64_t needed, int64_t available);

// CANCELLED: the observer said so.
absl::Status StoppedByObserver();

// INTERNAL with reason DEVICE_FAILED: the device reported an error. Some of them, such as an illegal address, make
// every later call of the process fail, so the process has to be started anew.
absl::Status DeviceFailed(absl::string_view message);

// Inside a catch (...) block: the exception as a status. Out of memory is RESOURCE_EXHAUSTED, any other error of the
// device DeviceFailed, all else INTERNAL.
absl::Status StatusOfCurrentException();

// Runs `operation` (returning a Status or StatusOr) and turns whatever it throws into a status.
template <typename Operation>
auto CatchExceptions(const Operation& operation) -> decltype(operation()) {
  try {
    return operation();
  } catch (...) {
    return StatusOfCurrentException();
  }
}

}  // namespace besa::pruner
