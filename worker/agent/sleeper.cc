#include "worker/agent/sleeper.h"

#include <condition_variable>
#include <mutex>

namespace besa::worker {
namespace {

class RealSleeper final : public Sleeper {
 public:
  bool SleepFor(absl::Duration duration, std::stop_token stop) override {
    std::mutex mutex;
    std::condition_variable_any never;
    std::unique_lock lock(mutex);
    never.wait_for(lock, stop, absl::ToChronoNanoseconds(duration), [] { return false; });
    return !stop.stop_requested();
  }
};

}  // namespace

Sleeper& Sleeper::Real() {
  static RealSleeper* const sleeper = new RealSleeper;
  return *sleeper;
}

}  // namespace besa::worker
