#include "worker/agent/fresh_id.h"

#include "absl/strings/str_format.h"

namespace besa::worker {

std::string FreshId(const RandomBits& random) {
  const uint64_t high = random();
  return absl::StrFormat("%016x%016x", high, random());
}

}  // namespace besa::worker
