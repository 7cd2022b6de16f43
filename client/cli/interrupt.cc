#include "client/cli/interrupt.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <system_error>

namespace besa::client {
namespace {

// The only way from a signal handler to its object.
std::atomic<int> write_end = -1;

void OnSignal(int) {
  const int saved = errno;
  const char interrupted = 1;
  [[maybe_unused]] const ssize_t written = write(write_end, &interrupted, 1);
  errno = saved;
}

}  // namespace

Interrupt::Interrupt() {
  if (pipe2(pipe_, O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category(), "pipe2");
  write_end = pipe_[1];
  waiter_ = std::thread([this] {
    char interrupted = 0;
    while (read(pipe_[0], &interrupted, 1) < 0 && errno == EINTR) {
    }
    if (interrupted != 0) stop_.request_stop();
  });
  struct sigaction action{};
  action.sa_handler = OnSignal;
  action.sa_flags = static_cast<int>(SA_RESETHAND) | SA_RESTART;
  sigaction(SIGINT, &action, &old_int_);
  sigaction(SIGTERM, &action, &old_term_);
}

Interrupt::~Interrupt() {
  sigaction(SIGINT, &old_int_, nullptr);
  sigaction(SIGTERM, &old_term_, nullptr);
  // The end of the pipe ends the wait without a stop.
  write_end = -1;
  close(pipe_[1]);
  waiter_.join();
  close(pipe_[0]);
}

}  // namespace besa::client
