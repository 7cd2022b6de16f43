// SIGTERM and SIGINT: the first asks the worker to drain, the second ends it at once.
#pragma once

#include <functional>
#include <thread>

namespace besa::worker {

// Holds both signals back from this thread and all that it starts later. Call before any thread is started.
void BlockStopSignals();

// Waits for the signals in a thread of its own, from construction to destruction.
class StopSignals {
 public:
  // `drain` is called from that thread, once. A second signal ends the process with 128 + its number.
  explicit StopSignals(std::function<void()> drain);

 private:
  std::jthread thread_;
};

}  // namespace besa::worker
