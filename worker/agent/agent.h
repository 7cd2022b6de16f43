// A worker's life: register, then lease and run one task after the other until told to stop.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>

#include "absl/status/status.h"
#include "besa/v1/worker_service.grpc.pb.h"
#include "storage/base/backoff.h"
#include "storage/base/clock.h"
#include "storage/base/sleeper.h"
#include "worker/agent/coordinator_client.h"
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
  Patience MakePatience() const;

  const AgentOptions options_;
  const AgentEnvironment environment_;
  CoordinatorClient client_;
  TaskRunner& runner_;
  const std::shared_ptr<LogTail> log_tail_;
  std::stop_source drain_;
};

}  // namespace besa::worker
