#include "server/api/drain.h"

#include <algorithm>
#include <utility>

namespace besa::server {

void Drain::Add(std::weak_ptr<WaitingCall> call) {
  const std::lock_guard lock(mutex_);
  calls_.push_back(std::move(call));
  if (calls_.size() < purge_at_) return;
  std::erase_if(calls_, [](const auto& entry) { return entry.expired(); });
  purge_at_ = std::max<size_t>(64, 2 * calls_.size());
}

void Drain::Start() {
  std::vector<std::weak_ptr<WaitingCall>> calls;
  {
    const std::lock_guard lock(mutex_);
    started_ = true;
    calls.swap(calls_);
  }
  for (const auto& entry : calls) {
    if (const auto call = entry.lock()) call->Wake();
  }
}

bool Drain::started() const {
  const std::lock_guard lock(mutex_);
  return started_;
}

}  // namespace besa::server
