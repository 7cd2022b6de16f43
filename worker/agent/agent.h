// A worker's life: register, then lease and run one task after the other until told to stop.
//
// A runner that takes several blocks at once is given as many; each is an attempt of its own, with its heartbeat and
// its commit.
//
// The device is kept busy: while the files of one attempt are written and committed (Attempt::Finish, by a thread of
// its own) the next one is leased and computed, where MayOverlap allows it. At most one attempt is finishing at a time:
// the next to finish waits for it, so that the memory of two results is the most that is held. A lease request lists
// the lease of the one that is finishing; each attempt has its own heartbeat.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "besa/v1/worker_service.grpc.pb.h"
#include "storage/base/backoff.h"
#include "storage/base/clock.h"
#include "storage/base/sleeper.h"
#include "worker/agent/coordinator_client.h"
#include "worker/agent/finishing_attempt.h"
#include "worker/agent/log_tail.h"
#include "worker/agent/persistent_call.h"
#include "worker/agent/task_runner.h"

namespace besa::worker {

struct AgentOptions {
  Identity identity;
  Backoff backoff = {.first = absl::Milliseconds(200), .longest = absl::Seconds(10)};
  // After Drain a commit or a report that the coordinator does not take is given up after this long.
  absl::Duration drain_grace = absl::Seconds(15);
};

// What the agent has of the outside world. All must outlive it.
struct AgentEnvironment {
  const Clock& clock;
  Sleeper& sleeper;
  // Draws from [0, 1).
  std::function<double()> uniform;
  // Fresh ids for requests.
  std::function<std::string()> new_id;
};

class Agent {
 public:
  Agent(AgentOptions options, AgentEnvironment environment, std::unique_ptr<v1::WorkerService::StubInterface> stub,
        TaskRunner& runner, std::shared_ptr<LogTail> log_tail);

  // Works until Drain: then OK. A coordinator that is away is waited for, however long. Any other end is an error that
  // no repetition mends: FAILED_PRECONDITION with reason PROTOCOL_VERSION_MISMATCH, a refusal of this worker; INTERNAL
  // with reason DEVICE_FAILED after a task that met a broken device was reported. Once only.
  absl::Status Run();

  // Asks Run to end: a waiting worker at once, a working one at its task's next step, after handing the task back.
  // Thread-safe; more than once is as good as once.
  void Drain();

 private:
  absl::Status WorkUntilDrained();
  absl::StatusOr<std::vector<v1::Assignment>> AskForWork();
  // Computes, and finishes here or, if the attempt may overlap with the next, in `finishing_`. An error if the device
  // failed.
  absl::Status RunAttempt(v1::Assignment assignment);
  // Several blocks: each finishes as soon as it is computed, while others may still be. Errors likewise.
  absl::Status RunAttempts(std::vector<v1::Assignment> assignments);
  Patience MakePatience() const;

  const AgentOptions options_;
  const AgentEnvironment environment_;
  CoordinatorClient client_;
  TaskRunner& runner_;
  const std::shared_ptr<LogTail> log_tail_;
  std::stop_source drain_;
  // The attempt that was computed last.
  std::optional<FinishingAttempt> finishing_;
};

}  // namespace besa::worker
