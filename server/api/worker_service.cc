#include "server/api/worker_service.h"

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "server/api/lease_call.h"
#include "server/api/unary_call.h"
#include "storage/base/error_info.h"
#include "storage/base/status_macros.h"

namespace besa::server {

using grpc::CallbackServerContext;
using grpc::ServerUnaryReactor;

absl::Status CheckProtocolVersion(int worker_version) {
  if (worker_version == v1::PROTOCOL_VERSION_1) return absl::OkStatus();
  const int ours = v1::PROTOCOL_VERSION_1;
  return ErrorWithInfo(
      absl::StatusCode::kFailedPrecondition,
      absl::StrCat("protocol_version: the worker speaks version ", worker_version, " of the protocol; expected ", ours,
                   ", the one this coordinator speaks. Run a worker of the same release"),
      {.reason = "PROTOCOL_VERSION_MISMATCH",
       .metadata = {{"worker_version", absl::StrCat(worker_version)}, {"coordinator_version", absl::StrCat(ours)}}});
}

ServerUnaryReactor* WorkerService::RegisterWorker(CallbackServerContext* context,
                                                  const v1::RegisterWorkerRequest* request,
                                                  v1::RegisterWorkerResponse* response) {
  return Answer<v1::RegisterWorkerResponse>(services_.quick, context, response,
                                            [=, this]() -> absl::StatusOr<v1::RegisterWorkerResponse> {
                                              RETURN_IF_ERROR(CheckProtocolVersion(request->protocol_version()));
                                              return services_.coordinator.RegisterWorker(*request);
                                            });
}

ServerUnaryReactor* WorkerService::LeaseTask(CallbackServerContext* context, const v1::LeaseTaskRequest* request,
                                             v1::LeaseTaskResponse* response) {
  return LeaseCall::Start(services_, context, request, response);
}

ServerUnaryReactor* WorkerService::Heartbeat(CallbackServerContext* context, const v1::HeartbeatRequest* request,
                                             v1::HeartbeatResponse* response) {
  return Answer<v1::HeartbeatResponse>(services_.quick, context, response,
                                       [=, this] { return services_.coordinator.Heartbeat(*request); });
}

ServerUnaryReactor* WorkerService::CommitTask(CallbackServerContext* context, const v1::CommitTaskRequest* request,
                                              v1::CommitTaskResponse* response) {
  return Answer<v1::CommitTaskResponse>(services_.quick, context, response,
                                        [=, this]() -> absl::StatusOr<v1::CommitTaskResponse> {
                                          RETURN_IF_ERROR(services_.coordinator.Commit(*request));
                                          return v1::CommitTaskResponse();
                                        });
}

ServerUnaryReactor* WorkerService::FailTask(CallbackServerContext* context, const v1::FailTaskRequest* request,
                                            v1::FailTaskResponse* response) {
  return Answer<v1::FailTaskResponse>(services_.quick, context, response,
                                      [=, this]() -> absl::StatusOr<v1::FailTaskResponse> {
                                        RETURN_IF_ERROR(services_.coordinator.Fail(*request));
                                        return v1::FailTaskResponse();
                                      });
}

}  // namespace besa::server
