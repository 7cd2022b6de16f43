#include "worker/pruner/errors.h"

#include <c10/util/Exception.h>

#include <exception>
#include <new>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "storage/base/error_info.h"
#include "storage/base/format_bytes.h"

namespace besa::pruner {

absl::Status BadNumbers(int64_t block, absl::string_view where, absl::string_view what) {
  if (block < 0) {
    return ErrorWithInfo(absl::StatusCode::kOutOfRange, absl::StrCat(where, ": ", what),
                         {.reason = "BAD_NUMBERS", .metadata = {{"tensor", std::string(where)}}});
  }
  return ErrorWithInfo(
      absl::StatusCode::kOutOfRange, absl::StrCat("block ", block, ", ", where, ": ", what),
      {.reason = "BAD_NUMBERS", .metadata = {{"block", absl::StrCat(block)}, {"linear", std::string(where)}}});
}

absl::Status NotEnoughMemory(absl::string_view what, absl::string_view parts, int64_t needed, int64_t available) {
  return ErrorWithInfo(
      absl::StatusCode::kResourceExhausted,
      absl::StrCat(what, ": needs ", FormatBytes(needed), " of memory (", parts, "), ", FormatBytes(available),
                   " are free"),
      {.reason = "NOT_ENOUGH_MEMORY",
       .metadata = {{"needed_bytes", absl::StrCat(needed)}, {"available_bytes", absl::StrCat(available)}}});
}

absl::Status StoppedByObserver() { return absl::CancelledError("stopped by the caller"); }

absl::Status DeviceFailed(absl::string_view message) {
  return ErrorWithInfo(absl::StatusCode::kInternal, message, {.reason = "DEVICE_FAILED", .metadata = {}});
}

absl::Status StatusOfCurrentException() {
  try {
    throw;
  } catch (const c10::OutOfMemoryError& error) {
    return absl::ResourceExhaustedError(error.what_without_backtrace());
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError("out of memory");
  } catch (const c10::AcceleratorError& error) {
    return DeviceFailed(error.what_without_backtrace());
  } catch (const c10::Error& error) {
    const std::string message = error.what_without_backtrace();
    // The CPU allocator has no exception of its own.
    if (absl::StrContains(message, "DefaultCPUAllocator")) return absl::ResourceExhaustedError(message);
    // cuBLAS and NCCL report a broken device in their own words.
    if (absl::StrContains(message, "CUDA error")) return DeviceFailed(message);
    return absl::InternalError(message);
  } catch (const std::exception& error) {
    return absl::InternalError(error.what());
  } catch (...) {
    return absl::InternalError("an unknown exception");
  }
}

}  // namespace besa::pruner
