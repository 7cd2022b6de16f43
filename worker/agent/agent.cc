#include "worker/agent/agent.h"

#include <optional>
#include <utility>

#include "spdlog/spdlog.h"
#include "storage/base/error_info.h"
#include "storage/base/status_macros.h"
#include "telemetry/log_context.h"
#include "worker/agent/attempt.h"
#include "worker/agent/failure_reason.h"
#include "worker/agent/persistent_call.h"

namespace besa::worker {
namespace {

constexpr absl::Duration kQuickAnswer = absl::Milliseconds(200);

}  // namespace

Agent::Agent(AgentOptions options, AgentEnvironment environment, std::unique_ptr<v1::WorkerService::StubInterface> stub,
             TaskRunner& runner, std::shared_ptr<LogTail> log_tail)
    : options_(std::move(options)),
      environment_(std::move(environment)),
      client_(std::move(stub), options_.identity),
      runner_(runner),
      log_tail_(std::move(log_tail)) {}

void Agent::Drain() { drain_.request_stop(); }

Patience Agent::MakePatience() const {
  return Patience{.clock = environment_.clock,
                  .sleeper = environment_.sleeper,
                  .backoff = options_.backoff,
                  .uniform = environment_.uniform,
                  .drain = drain_.get_token(),
                  .grace = options_.drain_grace};
}

absl::Status Agent::Run() {
  const ScopedLogFields fields({{"worker", options_.identity.name}});
  absl::Status status = WorkUntilDrained();
  // What has been computed is still written and committed.
  finishing_.reset();
  // A call that the drain cut short is no failure, a device that broke is one.
  const bool device_failed = FailureReasonOf(status) == v1::FAILURE_REASON_DEVICE;
  if (drain_.stop_requested() && !device_failed && (status.ok() || MayPass(status))) {
    spdlog::info("drained");
    return absl::OkStatus();
  }
  return status;
}

absl::Status Agent::WorkUntilDrained() {
  // A worker that waits for nothing but the coordinator has nothing to hand back.
  Patience waiting = MakePatience();
  waiting.grace = absl::ZeroDuration();
  const std::stop_token drain = drain_.get_token();
  RETURN_IF_ERROR(CallUntilAnswered("registering", [&] { return client_.Register(drain); }, waiting));

  while (!drain.stop_requested()) {
    ASSIGN_OR_RETURN(std::vector<v1::Assignment> assignments, AskForWork());
    if (assignments.empty()) continue;
    RETURN_IF_ERROR(assignments.size() == 1 ? RunAttempt(std::move(assignments.front()))
                                            : RunAttempts(std::move(assignments)));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<v1::Assignment>> Agent::AskForWork() {
  Patience waiting = MakePatience();
  waiting.grace = absl::ZeroDuration();
  const std::stop_token drain = drain_.get_token();
  // The same id through all tries, so that a grant whose answer was lost is handed out again.
  const std::string request_id = environment_.new_id();
  std::vector<v1::Assignment> assignments;
  const auto lease = [&]() -> absl::Status {
    std::vector<std::string> held;
    if (finishing_ && !finishing_->done()) held.push_back(finishing_->lease_id());
    ASSIGN_OR_RETURN(assignments, client_.Lease(request_id, held, runner_.cursor(), runner_.most_blocks(), drain));
    return absl::OkStatus();
  };
  const absl::Duration asked = environment_.clock.Steady();
  RETURN_IF_ERROR(CallUntilAnswered("asking for work", lease, waiting));
  if (assignments.empty() && environment_.clock.Steady() - asked < kQuickAnswer) {
    // A coordinator that is stopping waits for nothing; don't ask it in a loop.
    environment_.sleeper.Sleep(kQuickAnswer, drain);
  }
  return assignments;
}

namespace {

absl::Status DeviceFailed() {
  return ErrorWithInfo(absl::StatusCode::kInternal,
                       "the device failed in a way that may not pass: a new process has to be started",
                       {.reason = kDeviceFailed, .metadata = {}});
}

}  // namespace

absl::Status Agent::RunAttempts(std::vector<v1::Assignment> assignments) {
  // What they commit comes behind what was computed before.
  finishing_.reset();
  std::vector<std::unique_ptr<Attempt>> attempts;
  std::vector<BlockToPrune> blocks;
  for (v1::Assignment& assignment : assignments) {
    attempts.push_back(
        std::make_unique<Attempt>(std::move(assignment), AttemptContext{client_, runner_, *log_tail_, MakePatience()}));
    blocks.push_back(attempts.back()->block());
  }
  bool device_failed = false;
  runner_.ComputeSeveral(blocks, [&](size_t block, absl::StatusOr<TaskEnding> ending) {
    device_failed |= attempts[block]->FinishWith(std::move(ending)) == AttemptEnd::kDeviceFailed;
    attempts[block].reset();
  });
  return device_failed ? DeviceFailed() : absl::OkStatus();
}

absl::Status Agent::RunAttempt(v1::Assignment assignment) {
  auto attempt =
      std::make_unique<Attempt>(std::move(assignment), AttemptContext{client_, runner_, *log_tail_, MakePatience()});
  std::optional<AttemptEnd> end = attempt->Compute();
  if (!end) {
    finishing_.reset();
    if (attempt->may_overlap()) {
      finishing_.emplace(std::move(attempt));
      return absl::OkStatus();
    }
    end = attempt->Finish();
  }
  if (*end != AttemptEnd::kDeviceFailed) return absl::OkStatus();
  return DeviceFailed();
}

}  // namespace besa::worker
