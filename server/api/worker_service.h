// besa.v1.WorkerService.
#pragma once

#include "absl/status/status.h"
#include "besa/v1/worker_service.grpc.pb.h"
#include "server/api/services.h"

namespace besa::server {

// FAILED_PRECONDITION with reason PROTOCOL_VERSION_MISMATCH, naming both versions, unless this coordinator speaks the
// worker's.
absl::Status CheckProtocolVersion(int worker_version);

class WorkerService final : public v1::WorkerService::CallbackService {
 public:
  explicit WorkerService(const ServiceContext& services) : services_(services) {}

  grpc::ServerUnaryReactor* RegisterWorker(grpc::CallbackServerContext* context,
                                           const v1::RegisterWorkerRequest* request,
                                           v1::RegisterWorkerResponse* response) override;
  grpc::ServerUnaryReactor* LeaseTask(grpc::CallbackServerContext* context, const v1::LeaseTaskRequest* request,
                                      v1::LeaseTaskResponse* response) override;
  grpc::ServerUnaryReactor* Heartbeat(grpc::CallbackServerContext* context, const v1::HeartbeatRequest* request,
                                      v1::HeartbeatResponse* response) override;
  grpc::ServerUnaryReactor* CommitTask(grpc::CallbackServerContext* context, const v1::CommitTaskRequest* request,
                                       v1::CommitTaskResponse* response) override;
  grpc::ServerUnaryReactor* FailTask(grpc::CallbackServerContext* context, const v1::FailTaskRequest* request,
                                     v1::FailTaskResponse* response) override;

 private:
  const ServiceContext& services_;
};

}  // namespace besa::server
