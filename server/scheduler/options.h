// Settings of the scheduler.
#pragma once

#include <cstdint>
#include <string>

#include "absl/time/time.h"

#include "storage/base/backoff.h"

namespace besa::server {

struct SchedulerOptions {
  // Folder under which every job gets its workspace "<workspace_uri>/<job id>/". Workers and coordinator reach it.
  std::string workspace_uri;
  // A lease ends after this long without a heartbeat.
  absl::Duration lease_term = absl::Seconds(30);
  // A lease that beats but reports the same stage and step for this long ends too.
  absl::Duration progress_term = absl::Minutes(30);
  // The workspace of a failed job, which RetryJob needs, is deleted after this long.
  absl::Duration keep_failed = absl::Hours(14 * 24);
  // Workers are asked to send heartbeats this often.
  absl::Duration heartbeat_interval = absl::Seconds(5);
  // Attempts of one task that may fail or be lost in one generation of its job before the job fails. Attempts that were
  // handed back or cancelled don't count.
  int32_t max_attempts = 5;
  // Failures of publishing in one generation before the job fails.
  int32_t max_publish_failures = 5;
  // Pauses between deliveries of a completion hook that fail.
  Backoff hook_backoff = {.first = absl::Seconds(2), .longest = absl::Hours(1)};
  // A completion hook is given up when it could not be delivered for this long after the end of its job.
  absl::Duration hook_patience = absl::Hours(24);
  // Largest size of one file of weights, as sent to workers.
  int64_t shard_bytes = int64_t{4} << 30;
  // Bytes that one worker moves to or from the store in a second: what the choice between walking to a block and
  // storing activations goes by.
  double worker_bytes_per_second = 3e9;
  // Beats and progress of one lease are stored at most this often.
  absl::Duration progress_interval = absl::Seconds(1);
};

}  // namespace besa::server
