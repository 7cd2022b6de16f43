// A label whose values come from outside: the first few are taken as they are, the rest are "other".
#pragma once

#include <cstddef>
#include <mutex>
#include <set>
#include <string>

namespace besa {

// Thread-safe.
class BoundedLabel {
 public:
  explicit BoundedLabel(size_t most) : most_(most) {}

  std::string operator()(const std::string& value) {
    const std::lock_guard lock(mutex_);
    if (known_.contains(value)) return value;
    if (value.empty() || known_.size() >= most_) return "other";
    known_.insert(value);
    return value;
  }

 private:
  const size_t most_;
  std::mutex mutex_;
  std::set<std::string> known_;
};

}  // namespace besa
