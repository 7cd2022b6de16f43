// Where a watch stands: which messages are news, and whether the job has ended. Pure; no connection, no clock.
#pragma once

#include <cstdint>

#include "besa/v1/prune_service.pb.h"

namespace besa::client {

// Whether a job in this state changes no more: SUCCEEDED, FAILED, CANCELLED.
bool IsFinal(v1::JobState state);

class WatchCursor {
 public:
  explicit WatchCursor(int64_t version) : version_(version) {}

  // Takes note of a message. True if it is news; false for one that was seen before (a coordinator may repeat some
  // when a stream is resumed). Progress is news unless it is older than an event already seen, and moves no version.
  bool Accept(const v1::WatchJobResponse& message);

  // The last version seen: what to resume from.
  int64_t version() const { return version_; }

  // The job as last heard of. Only its state is sure to be there.
  const v1::Job& job() const { return job_; }
  bool ended() const { return IsFinal(job_.state()); }

 private:
  int64_t version_;
  v1::Job job_;
};

}  // namespace besa::client
