// A clock and a sleeper that go together: sleeping moves the clock and returns at once.
#pragma once

#include <functional>
#include <mutex>
#include <vector>

#include "storage/base/clock.h"
#include "storage/base/sleeper.h"

namespace besa::client {

// Thread-safe.
class ManualTime : public Clock, public Sleeper {
 public:
  absl::Time Now() const override {
    const std::lock_guard lock(mutex_);
    return absl::FromUnixSeconds(1'700'000'000) + steady_;
  }

  absl::Duration Steady() const override {
    const std::lock_guard lock(mutex_);
    return steady_;
  }

  bool Sleep(absl::Duration duration, std::stop_token stop) override {
    {
      const std::lock_guard lock(mutex_);
      steady_ += duration;
      sleeps_.push_back(duration);
    }
    if (on_sleep) on_sleep();
    return !stop.stop_requested();
  }

  void Advance(absl::Duration duration) {
    const std::lock_guard lock(mutex_);
    steady_ += duration;
  }

  std::vector<absl::Duration> sleeps() const {
    const std::lock_guard lock(mutex_);
    return sleeps_;
  }

  // Called in each Sleep. Set before use.
  std::function<void()> on_sleep;

 private:
  mutable std::mutex mutex_;
  absl::Duration steady_;
  std::vector<absl::Duration> sleeps_;
};

}  // namespace besa::client
