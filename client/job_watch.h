// Follows one job until it ends, whatever happens to the connection.
//
// The stream of WatchJob carries versions. When it breaks (a coordinator was restarted, a proxy cut it) the watch opens
// another from the last version seen, so that every event arrives once. Only when no coordinator could be reached for
// `give_up_after` does it end with an error.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "besa/v1/prune_service.grpc.pb.h"
#include "client/retry.h"
#include "client/watch_cursor.h"
#include "storage/base/clock.h"
#include "storage/base/random.h"
#include "storage/base/sleeper.h"

namespace besa::client {

// A time without a coordinator.
struct Outage {
  // What the last attempt ended with.
  absl::Status error;
  // Since the connection was lost.
  absl::Duration lasted;
  // Until the next attempt.
  absl::Duration next_attempt;
};

// Run() is called once, from one thread.
class JobWatch {
 public:
  struct Options {
    // Events up to this version are not delivered; 0 starts with a snapshot.
    int64_t resume_version = 0;
    // How long to go on trying to reach a coordinator.
    absl::Duration give_up_after = absl::Minutes(10);
  };
  // What the watch needs of the world; PruneClient::Watch fills it in.
  struct Environment {
    std::shared_ptr<v1::PruneService::StubInterface> stub;
    // Pace of reconnecting. max_attempts does not apply.
    RetryPolicy retry;
    const Clock* clock;
    Sleeper* sleeper;
    RandomBits random;
    // Called before each further attempt; see PruneClient.
    std::function<void()> reconnect;
  };
  struct Handler {
    // One event: never a duplicate, in the order of versions. After a message with `reset` everything before is void.
    std::function<void(const v1::WatchJobResponse&)> on_event;
    // Called before each wait for another attempt. May be empty.
    std::function<void(const Outage&)> on_outage;
  };

  JobWatch(std::string name, Options options, Environment environment);

  // Blocks until the job has ended and returns it. CANCELLED soon after `stop` is requested (the job goes on).
  // UNAVAILABLE after `give_up_after` without a coordinator. Errors that waiting does not mend, such as NOT_FOUND,
  // at once. The handler is called on this thread.
  absl::StatusOr<v1::Job> Run(const Handler& handler, std::stop_token stop = {});

  // Version of the last event delivered: Options.resume_version of a watch that goes on from here.
  int64_t version() const { return cursor_.version(); }

 private:
  // Reads one stream to its end. Sets `received` if any message came.
  absl::Status ReadStream(int64_t resume_version, const Handler& handler, std::stop_token stop, bool* received);

  const std::string name_;
  const Options options_;
  const Environment environment_;
  WatchCursor cursor_;
};

}  // namespace besa::client
