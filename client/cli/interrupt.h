// Ctrl-C as a request to stop instead of the end of the process.
#pragma once

#include <csignal>
#include <stop_token>
#include <thread>

namespace besa::client {

// While one exists, the first SIGINT or SIGTERM requests a stop; a second ends the process as usual. At most one at a
// time.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();

  std::stop_token token() const { return stop_.get_token(); }

 private:
  std::stop_source stop_;
  int pipe_[2];
  struct sigaction old_int_;
  struct sigaction old_term_;
  std::thread waiter_;
};

}  // namespace besa::client
