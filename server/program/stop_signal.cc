#include "server/program/stop_signal.h"

#include <csignal>

namespace besa::server {
namespace {

sigset_t Signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signals;
}

}  // namespace

StopSignal::StopSignal() {
  const sigset_t signals = Signals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

const char* StopSignal::Wait() {
  const sigset_t signals = Signals();
  int received = 0;
  while (sigwait(&signals, &received) != 0) {
  }
  pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
  return received == SIGINT ? "SIGINT" : "SIGTERM";
}

}  // namespace besa::server
