// The one boundary where exceptions become errors: around everything that a call runs.
#pragma once

#include <exception>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace besa::server {

// What `work` returns (an absl::Status or StatusOr), or INTERNAL if it threw.
template <class Work>
auto Guarded(const Work& work) -> decltype(work()) {
  try {
    return work();
  } catch (const std::exception& error) {
    return absl::InternalError(absl::StrCat("internal error: ", error.what()));
  } catch (...) {
    return absl::InternalError("internal error of an unknown kind");
  }
}

}  // namespace besa::server
