#include "storage/base/sleeper.h"

#include <condition_variable>
#include <mutex>

namespace besa {
namespace {

class RealSleeper : public Sleeper {
 public:
  bool Sleep(absl::Duration duration, std::stop_token stop) override {
    std::mutex mutex;
    std::condition_variable_any stopped;
    std::unique_lock lock(mutex);
    stopped.wait_for(lock, stop, absl::ToChronoNanoseconds(duration), [] { return false; });
    return !stop.stop_requested();
  }
};

}  // namespace

Sleeper& Sleeper::Real() {
  static auto* const sleeper = new RealSleeper;
  return *sleeper;
}

}  // namespace besa
