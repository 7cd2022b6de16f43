#include "worker/agent/entropy.h"

#include "absl/strings/str_format.h"

namespace besa::worker {

std::string Entropy::NewId() {
  const std::lock_guard lock(mutex_);
  std::string id;
  for (int i = 0; i < 4; ++i) absl::StrAppendFormat(&id, "%08x", device_());
  return id;
}

double Entropy::Uniform() {
  const std::lock_guard lock(mutex_);
  return static_cast<double>(device_()) / 4294967296.0;
}

}  // namespace besa::worker
