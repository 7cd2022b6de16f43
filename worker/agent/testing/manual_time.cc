#include "worker/agent/testing/manual_time.h"

#include <chrono>
#include <thread>

namespace besa::worker {

absl::Time ManualTime::Now() const { return absl::FromUnixSeconds(1'750'000'000) + Steady(); }

absl::Duration ManualTime::Steady() const {
  const std::lock_guard lock(mutex_);
  return steady_;
}

bool ManualTime::Sleep(absl::Duration duration, std::stop_token stop) {
  std::unique_lock lock(mutex_);
  const absl::Duration end = steady_ + duration;
  moved_.wait(lock, stop, [&] { return steady_ >= end; });
  return !stop.stop_requested();
}

void ManualTime::Advance(absl::Duration duration) {
  {
    const std::lock_guard lock(mutex_);
    steady_ += duration;
  }
  moved_.notify_all();
}

bool ManualTime::AdvanceUntil(const std::function<bool()>& done) {
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!done()) {
    if (std::chrono::steady_clock::now() > give_up) return false;
    Advance(absl::Milliseconds(100));
    // Lets the threads that were woken get on; nothing depends on how long it is.
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

}  // namespace besa::worker
