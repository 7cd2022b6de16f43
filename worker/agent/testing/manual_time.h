// Time that tests move by hand.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>

#include "storage/base/clock.h"
#include "storage/base/sleeper.h"

namespace besa::worker {

// Thread-safe.
class ManualTime final : public Clock, public Sleeper {
 public:
  absl::Time Now() const override;
  absl::Duration Steady() const override;
  bool Sleep(absl::Duration duration, std::stop_token stop) override;

  void Advance(absl::Duration duration);
  // Moves time on in small steps until `done` says so, while other threads do real work. False if that takes them more
  // than 30 s of real time.
  bool AdvanceUntil(const std::function<bool()>& done);

 private:
  mutable std::mutex mutex_;
  std::condition_variable_any moved_;
  absl::Duration steady_ = absl::ZeroDuration();
};

}  // namespace besa::worker
