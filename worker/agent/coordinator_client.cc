#include "worker/agent/coordinator_client.h"

#include <grpcpp/channel.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include <chrono>
#include <utility>

#include "proto/rpc_status.h"
#include "proto/time.h"
#include "spdlog/spdlog.h"
#include "storage/base/error_info.h"
#include "storage/base/random.h"
#include "storage/base/status_macros.h"
#include "telemetry/trace.h"

namespace besa::worker {
namespace {

using Stub = v1::WorkerService::StubInterface;

constexpr absl::Duration kCallTimeout = absl::Seconds(10);
// A commit waits for a transaction of the coordinator.
constexpr absl::Duration kCommitTimeout = absl::Seconds(30);

bool IsWorkerUnknown(const absl::Status& status) {
  const auto info = GetErrorInfo(status);
  return info && info->reason == "WORKER_UNKNOWN";
}

}  // namespace

std::shared_ptr<grpc::Channel> ConnectToCoordinator(const std::string& address) {
  grpc::ChannelArguments arguments;
  // Out of the box gRPC waits up to two minutes between tries to connect.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 200);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 3'000);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 3'000);
  // Heartbeats and lease requests are answered more often than this, so only dead connections see a ping.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 30'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

bool MayPass(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kCancelled:
    case absl::StatusCode::kUnknown:
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kResourceExhausted:
      return true;
    default:
      return false;
  }
}

CoordinatorClient::CoordinatorClient(std::unique_ptr<Stub> stub, Identity identity)
    : stub_(std::move(stub)), identity_(std::move(identity)) {}

absl::Duration CoordinatorClient::heartbeat_interval() const {
  const std::lock_guard lock(mutex_);
  return heartbeat_interval_;
}

template <typename Request>
Request CoordinatorClient::NewRequest() const {
  Request request;
  request.set_worker(identity_.name);
  request.set_incarnation(identity_.incarnation);
  return request;
}

template <typename Request, typename Response, typename Method>
absl::Status CoordinatorClient::Call(Method method, const Request& request, Response& response, absl::Duration timeout,
                                     std::stop_token stop, const std::string& trace_id) {
  const auto once = [&] {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + absl::ToChronoMilliseconds(timeout));
    if (!trace_id.empty()) context.AddMetadata(kTraceparent, MakeTraceparent(trace_id, SystemRandom()));
    const std::stop_callback cancel(stop, [&context] { context.TryCancel(); });
    return FromGrpc((stub_.get()->*method)(&context, request, &response));
  };
  absl::Status status = once();
  if (!IsWorkerUnknown(status)) return status;
  spdlog::warn("the coordinator does not know this worker: registering again");
  RETURN_IF_ERROR(Register(stop));
  return once();
}

absl::Status CoordinatorClient::Register(std::stop_token stop) {
  v1::RegisterWorkerRequest request;
  request.set_protocol_version(v1::PROTOCOL_VERSION_1);
  v1::Worker& worker = *request.mutable_worker();
  worker.set_name(identity_.name);
  worker.set_incarnation(identity_.incarnation);
  worker.set_version(identity_.version);
  *worker.mutable_device() = identity_.device;

  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + absl::ToChronoMilliseconds(kCallTimeout));
  const std::stop_callback cancel(stop, [&context] { context.TryCancel(); });
  v1::RegisterWorkerResponse response;
  RETURN_IF_ERROR(FromGrpc(stub_->RegisterWorker(&context, request, &response)));

  const absl::Duration interval = FromProto(response.heartbeat_interval());
  spdlog::info("registered: a heartbeat every {} s", absl::ToDoubleSeconds(interval));
  if (interval > absl::ZeroDuration()) {
    const std::lock_guard lock(mutex_);
    heartbeat_interval_ = interval;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<v1::Assignment>> CoordinatorClient::Lease(const std::string& request_id,
                                                                     const std::vector<std::string>& held_leases,
                                                                     const std::optional<v1::Cursor>& cursor,
                                                                     int most_blocks, std::stop_token stop) {
  auto request = NewRequest<v1::LeaseTaskRequest>();
  request.set_request_id(request_id);
  for (const std::string& lease : held_leases) request.add_held_leases(lease);
  if (cursor) *request.mutable_cursor() = *cursor;
  *request.mutable_wait() = ToProto(kLeaseWait);
  request.set_most_blocks(most_blocks);
  v1::LeaseTaskResponse response;
  RETURN_IF_ERROR(Call(&Stub::LeaseTask, request, response, kLeaseWait + kCallTimeout, stop));
  std::vector<v1::Assignment> assignments;
  if (!response.has_assignment()) return assignments;
  assignments.push_back(std::move(*response.mutable_assignment()));
  for (v1::Assignment& further : *response.mutable_further()) assignments.push_back(std::move(further));
  return assignments;
}

absl::StatusOr<bool> CoordinatorClient::Heartbeat(const HeldLease& held, const v1::TaskProgress& progress,
                                                  std::stop_token stop) {
  auto request = NewRequest<v1::HeartbeatRequest>();
  *request.mutable_lease() = held.lease;
  *request.mutable_progress() = progress;
  v1::HeartbeatResponse response;
  RETURN_IF_ERROR(Call(&Stub::Heartbeat, request, response, kCallTimeout, stop, held.trace_id));
  return response.cancel();
}

absl::Status CoordinatorClient::Commit(const HeldLease& held, const v1::TaskResult& result,
                                       const std::vector<std::string>& log_tail, bool leaving) {
  auto request = NewRequest<v1::CommitTaskRequest>();
  *request.mutable_lease() = held.lease;
  *request.mutable_result() = result;
  request.set_leaving(leaving);
  for (const std::string& line : log_tail) request.add_log_tail(line);
  v1::CommitTaskResponse response;
  return Call(&Stub::CommitTask, request, response, kCommitTimeout, {}, held.trace_id);
}

absl::Status CoordinatorClient::Fail(const HeldLease& held, v1::FailureReason reason, const std::string& message,
                                     const std::vector<std::string>& log_tail) {
  auto request = NewRequest<v1::FailTaskRequest>();
  *request.mutable_lease() = held.lease;
  request.set_reason(reason);
  request.set_message(message);
  for (const std::string& line : log_tail) request.add_log_tail(line);
  v1::FailTaskResponse response;
  return Call(&Stub::FailTask, request, response, kCallTimeout, {}, held.trace_id);
}

}  // namespace besa::worker
