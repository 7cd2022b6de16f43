// The coordinator's hand that publishes: claims jobs in PUBLISHING one after the other and assembles their outputs.
#pragma once

#include <atomic>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "besa/v1/job.pb.h"
#include "server/scheduler/coordinator.h"
#include "storage/base/backoff.h"
#include "storage/base/clock.h"
#include "storage/object/object_store.h"

namespace besa::server {

// What a failure to publish is to the job. Wrong inputs cannot be mended by trying again, a store that fails can.
v1::JobError PublishingError(const absl::Status& status);

// One thread calls RunOnce; Stop may be called from any.
class Publisher {
 public:
  struct Options {
    // Fresh for each start of the process.
    std::string id;
    // Written into the manifest.
    std::string besa_version;
    // Pause after a failure; doubled with every further one in a row.
    Backoff backoff = {.first = absl::Seconds(1), .longest = absl::Seconds(30)};
  };

  // All must outlive the publisher.
  Publisher(Coordinator& coordinator, storage::ObjectStore& store, const Clock& clock, Options options);

  // Claims a job if there is one, publishes it and reports. The claim is kept alive meanwhile; if it is lost, or Stop
  // was called, the work is left as it is for the next claimant. Returns how long to wait before the next call: nothing
  // while there may be more to do.
  absl::Duration RunOnce();

  // Ends the publishing that runs at its next step.
  void Stop() { stopping_ = true; }

 private:
  absl::Status PublishClaimed(const PublishingClaim& claim);
  // Takes note of a failure; the pause after it.
  absl::Duration Failed();

  Coordinator& coordinator_;
  storage::ObjectStore& store_;
  const Clock& clock_;
  const Options options_;
  std::atomic<bool> stopping_ = false;
  int failures_in_a_row_ = 0;
  // On the steady clock.
  absl::Duration not_before_ = -absl::InfiniteDuration();
};

}  // namespace besa::server
