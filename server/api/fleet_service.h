// besa.v1.FleetService.
#pragma once

#include "besa/v1/fleet_service.grpc.pb.h"
#include "server/api/services.h"

namespace besa::server {

class FleetService final : public v1::FleetService::CallbackService {
 public:
  explicit FleetService(const ServiceContext& services) : services_(services) {}

  grpc::ServerUnaryReactor* ListWorkers(grpc::CallbackServerContext* context, const v1::ListWorkersRequest* request,
                                        v1::ListWorkersResponse* response) override;
  grpc::ServerUnaryReactor* DrainWorker(grpc::CallbackServerContext* context, const v1::DrainWorkerRequest* request,
                                        v1::Worker* response) override;
  grpc::ServerUnaryReactor* UndrainWorker(grpc::CallbackServerContext* context, const v1::UndrainWorkerRequest* request,
                                          v1::Worker* response) override;
  grpc::ServerUnaryReactor* ListAuditEntries(grpc::CallbackServerContext* context,
                                             const v1::ListAuditEntriesRequest* request,
                                             v1::ListAuditEntriesResponse* response) override;

 private:
  const ServiceContext& services_;
};

}  // namespace besa::server
