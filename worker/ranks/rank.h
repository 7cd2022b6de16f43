// A process that is one rank of a worker, as the process that started it sees it.
#pragma once

#include <string>

#include "absl/time/time.h"
#include "worker/ranks/message_socket.h"

namespace besa::worker {

// Not thread-safe.
class Rank {
 public:
  // Ends it.
  virtual ~Rank() = default;

  // What it says, and what it is told: proto/besa/v1/rank.proto.
  virtual MessageSocket& socket() = 0;

  // Gives it `grace` to end by itself, then kills it, whatever it does, and waits until it is gone. How it ended, for
  // people: "exited with code 4", "was killed by signal 9", "was killed" if it took this call.
  virtual std::string End(absl::Duration grace) = 0;
};

}  // namespace besa::worker
