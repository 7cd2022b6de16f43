#include "worker/agent/stop_signals.h"

#include <unistd.h>

#include <csignal>
#include <ctime>
#include <utility>

#include "spdlog/spdlog.h"

namespace besa::worker {
namespace {

sigset_t StopSet() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  return set;
}

void Wait(std::stop_token stop, const std::function<void()>& drain) {
  const sigset_t set = StopSet();
  const timespec poll{.tv_sec = 0, .tv_nsec = 100'000'000};
  bool draining = false;
  while (!stop.stop_requested()) {
    const int received = sigtimedwait(&set, nullptr, &poll);
    if (received <= 0) continue;
    if (draining) _exit(128 + received);
    spdlog::info("signal {}: stopping after this step; once more to stop at once", received);
    draining = true;
    drain();
  }
}

}  // namespace

void BlockStopSignals() {
  const sigset_t set = StopSet();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

StopSignals::StopSignals(std::function<void()> drain)
    : thread_([drain = std::move(drain)](std::stop_token stop) { Wait(stop, drain); }) {}

}  // namespace besa::worker
