// One attempt of one task, from its lease to its commit or failure.
//
//                ok              files written                commit: OK        -> kCommitted
//   COMPUTING ------> WRITING ------------------> COMMITTING --- ABORTED           -> kLost (drop the result, delete
//      |                 |                                       nothing)
//      |                 |                                       INVALID_ARGUMENT  -> fail, REFUSED -> kFailed
//      +-----------------+ error                                 (away: try again for as long as it takes)
//      |
//      +--> lease lost (a heartbeat got ABORTED)                 -> kLost, without another word
//      +--> cancelled (a heartbeat said so)                      -> fail, CANCELLED -> kReturned
//      +--> draining                                             -> fail, DRAINED -> kReturned
//      +--> the device failed                                    -> fail, DEVICE -> kDeviceFailed
//      +--> anything else                                        -> fail, FailureReasonOf(error) -> kFailed
//
// Heartbeats run in a thread of their own through all of it; a coordinator that is away stops nothing. Writing and
// committing may be done by another thread, while the worker computes its next attempt.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "besa/v1/worker_service.pb.h"
#include "telemetry/log_context.h"
#include "worker/agent/coordinator_client.h"
#include "worker/agent/heartbeat.h"
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

// Whether the next attempt may be computed while this one's files are written and committed: in which nothing of the
// same worker waits for the commit. Blocks of the schedule `independent` and what lies outside the blocks; the commit
// of a block in SCHEDULE_SEQUENTIAL grants the next one.
bool MayOverlap(const v1::Assignment& assignment);

class Attempt {
 public:
  // Begins the heartbeats.
  Attempt(v1::Assignment assignment, AttemptContext context);

  const std::string& lease_id() const { return held_.lease.id(); }
  bool may_overlap() const { return MayOverlap(assignment_); }

  // Runs the task for as long as it needs the device. Nothing: Finish has to follow.
  std::optional<AttemptEnd> Compute();

  // What a runner that computes several blocks at once needs of this one; and the rest, once that is done.
  BlockToPrune block() const;
  AttemptEnd FinishWith(absl::StatusOr<TaskEnding> ending);

  // Writes the files and commits. From any thread.
  AttemptEnd Finish();

 private:
  bool Observe(const v1::TaskProgress& progress);
  AttemptEnd Commit(const v1::TaskResult& result);
  AttemptEnd EndWith(const absl::Status& error);
  AttemptEnd Fail(v1::FailureReason reason, const std::string& message);
  // The last lines logged for it.
  std::vector<std::string> LogLines() const { return context_.log_tail.Lines(fields_); }

  const v1::Assignment assignment_;
  const AttemptContext context_;
  const HeldLease held_;
  // Of every thread that works for it.
  const LogFields fields_;
  const TaskObserver observer_;
  TaskEnding ending_;
  // Last, so that it ends first.
  std::optional<Heartbeat> heartbeat_;
};

}  // namespace besa::worker
