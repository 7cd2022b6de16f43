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

// Every call has a deadline, and ends early with CANCELLED when its `stop` is requested. A coordinator that does not
// know the worker (WORKER_UNKNOWN) gets to know it, under the same incarnation so that its leases live on, and the call
// is repeated. Errors are the coordinator's. Thread-safe.
class CoordinatorClient {
 public:
  // How long a lease request may wait at the coordinator.
  static constexpr absl::Duration kLeaseWait = absl::Seconds(20);

  CoordinatorClient(std::unique_ptr<v1::WorkerService::StubInterface> stub, Identity identity);

  const Identity& identity() const { return identity_; }

  // While it lives, calls carry this trace id (telemetry/trace.h), whichever thread makes them. One at a time.
  class TraceScope {
   public:
    TraceScope(CoordinatorClient& client, std::string trace_id) : client_(client) {
      client_.SetTrace(std::move(trace_id));
    }
    ~TraceScope() { client_.SetTrace(""); }
    TraceScope(const TraceScope&) = delete;
    TraceScope& operator=(const TraceScope&) = delete;

   private:
    CoordinatorClient& client_;
  };

  absl::Status Register(std::stop_token stop);
  // As the coordinator last said.
  absl::Duration heartbeat_interval() const;

  // Nothing: no work came up in time.
  absl::StatusOr<std::optional<v1::Assignment>> Lease(const std::string& request_id,
                                                      const std::vector<std::string>& held_leases,
                                                      const std::optional<v1::Cursor>& cursor, std::stop_token stop);
  // Whether the attempt shall stop because its job was cancelled.
  absl::StatusOr<bool> Heartbeat(const v1::Lease& lease, const v1::TaskProgress& progress, std::stop_token stop);
  // `leaving`: no more work will be asked for.
  absl::Status Commit(const v1::Lease& lease, const v1::TaskResult& result, const std::vector<std::string>& log_tail,
                      bool leaving);
  absl::Status Fail(const v1::Lease& lease, v1::FailureReason reason, const std::string& message,
                    const std::vector<std::string>& log_tail);

 private:
  void SetTrace(std::string trace_id);
  // Into the metadata of a call.
  void AddTrace(grpc::ClientContext& context) const;
  template <typename Request, typename Response, typename Method>
  absl::Status Call(Method method, const Request& request, Response& response, absl::Duration timeout,
                    std::stop_token stop);
  template <typename Request>
  Request NewRequest() const;

  const std::unique_ptr<v1::WorkerService::StubInterface> stub_;
  const Identity identity_;

  mutable std::mutex mutex_;
  absl::Duration heartbeat_interval_ = absl::Seconds(5);
  // Empty: none.
  std::string trace_id_;
};

}  // namespace besa::worker
