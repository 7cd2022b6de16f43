// One attempt of one task, from its lease to its commit or failure.
//
//               run ok                        commit: OK        -> kCommitted
//   RUNNING ---------------> COMMITTING ------ ABORTED           -> kLost (drop the result, delete nothing)
//      |                                       INVALID_ARGUMENT  -> fail, REFUSED -> kFailed
//      | error                                 (away: try again for as long as it takes)
//      +--> lease lost (a heartbeat got ABORTED)                 -> kLost, without another word
//      +--> cancelled (a heartbeat said so)                      -> fail, CANCELLED -> kReturned
//      +--> draining                                             -> fail, DRAINED -> kReturned
//      +--> the device failed                                    -> fail, DEVICE -> kDeviceFailed
//      +--> anything else                                        -> fail, FailureReasonOf(error) -> kFailed
//
// Heartbeats run in a thread of their own through all of it; a coordinator that is away stops nothing.
#pragma once

#include <memory>

#include "besa/v1/worker_service.pb.h"
#include "worker/agent/coordinator_client.h"
#include "worker/agent/log_tail.h"
#include "worker/agent/persistent_call.h"
#include "worker/agent/task_runner.h"

namespace besa::worker {

enum class AttemptEnd {
  kCommitted,
  kFailed,
  // Failed, because the device did: this process cannot do any more.
  kDeviceFailed,
  kReturned,
  kLost,
};

struct AttemptContext {
  CoordinatorClient& client;
  TaskRunner& runner;
  LogTail& log_tail;
  Patience patience;
};

// Blocks until the attempt has ended.
AttemptEnd RunAttempt(const v1::Assignment& assignment, const AttemptContext& context);

}  // namespace besa::worker
