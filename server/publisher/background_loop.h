// A thread that does one thing again and again.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "absl/time/time.h"

namespace besa::server {

// Calls `round` at once, and again when the time it returned has passed or somebody woke the loop. The destructor waits
// for the round that runs. Wake may be called from any thread, also from within a round.
class BackgroundLoop {
 public:
  using Round = std::function<absl::Duration()>;

  explicit BackgroundLoop(Round round);
  ~BackgroundLoop();
  BackgroundLoop(const BackgroundLoop&) = delete;
  BackgroundLoop& operator=(const BackgroundLoop&) = delete;

  void Wake();

 private:
  void Run();

  const Round round_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool woken_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace besa::server
