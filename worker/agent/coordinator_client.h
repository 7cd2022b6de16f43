// The worker protocol's calls, one try each.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "besa/v1/worker_service.grpc.pb.h"
#include "worker/agent/identity.h"

namespace besa::worker {

// A channel to "host:port" that notices dead peers and reconnects within seconds.
std::shared_ptr<grpc::Channel> ConnectToCoordinator(const std::string& address);

// Whether a call that failed so may succeed when repeated: the coordinator is away, restarting or overloaded.
bool MayPass(const absl::Status& status);

// A lease, and the trace id (telemetry/trace.h) that calls about it carry; empty: none.
struct HeldLease {
  v1::Lease lease;
  std::string trace_id;
};

// Every call has a deadline, and ends early with CANCELLED when its `stop` is requested. A coordinator that does not
// know the worker (WORKER_UNKNOWN) gets to know it, under the same incarnation so that its leases live on, and the call
// is repeated. Errors are the coordinator's. Thread-safe.
class CoordinatorClient {
 public:
  // How long a lease request may wait at the coordinator.
  static constexpr absl::Duration kLeaseWait = absl::Seconds(20);

  CoordinatorClient(std::unique_ptr<v1::WorkerService::StubInterface> stub, Identity identity);

  const Identity& identity() const { return identity_; }

  absl::Status Register(std::stop_token stop);
  // As the coordinator last said.
  absl::Duration heartbeat_interval() const;

  // One task, or up to `most_blocks` blocks of one job; nothing: no work came up in time.
  absl::StatusOr<std::vector<v1::Assignment>> Lease(const std::string& request_id,
                                                    const std::vector<std::string>& held_leases,
                                                    const std::optional<v1::Cursor>& cursor, int most_blocks,
                                                    std::stop_token stop);
  // Whether the attempt shall stop because its job was cancelled.
  absl::StatusOr<bool> Heartbeat(const HeldLease& held, const v1::TaskProgress& progress, std::stop_token stop);
  // `leaving`: no more work will be asked for.
  absl::Status Commit(const HeldLease& held, const v1::TaskResult& result, const std::vector<std::string>& log_tail,
                      bool leaving);
  absl::Status Fail(const HeldLease& held, v1::FailureReason reason, const std::string& message,
                    const std::vector<std::string>& log_tail);

 private:
  // `trace_id` empty: none.
  template <typename Request, typename Response, typename Method>
  absl::Status Call(Method method, const Request& request, Response& response, absl::Duration timeout,
                    std::stop_token stop, const std::string& trace_id = "");
  template <typename Request>
  Request NewRequest() const;

  const std::unique_ptr<v1::WorkerService::StubInterface> stub_;
  const Identity identity_;

  mutable std::mutex mutex_;
  absl::Duration heartbeat_interval_ = absl::Seconds(5);
};

}  // namespace besa::worker
