#include "server/api/fleet_service.h"

#include "server/api/caller.h"
#include "server/api/unary_call.h"

namespace besa::server {

grpc::ServerUnaryReactor* FleetService::ListWorkers(grpc::CallbackServerContext* context,
                                                    const v1::ListWorkersRequest* request,
                                                    v1::ListWorkersResponse* response) {
  return Answer<v1::ListWorkersResponse>(services_.quick, context, response,
                                         [=, this] { return services_.coordinator.ListWorkers(*request); });
}

grpc::ServerUnaryReactor* FleetService::DrainWorker(grpc::CallbackServerContext* context,
                                                    const v1::DrainWorkerRequest* request, v1::Worker* response) {
  return Answer<v1::Worker>(services_.quick, context, response, [=, this] {
    return services_.coordinator.SetDraining(request->name(), true, CallerOf(*context));
  });
}

grpc::ServerUnaryReactor* FleetService::UndrainWorker(grpc::CallbackServerContext* context,
                                                      const v1::UndrainWorkerRequest* request, v1::Worker* response) {
  return Answer<v1::Worker>(services_.quick, context, response, [=, this] {
    return services_.coordinator.SetDraining(request->name(), false, CallerOf(*context));
  });
}

grpc::ServerUnaryReactor* FleetService::ListAuditEntries(grpc::CallbackServerContext* context,
                                                         const v1::ListAuditEntriesRequest* request,
                                                         v1::ListAuditEntriesResponse* response) {
  return Answer<v1::ListAuditEntriesResponse>(services_.quick, context, response,
                                              [=, this] { return services_.coordinator.ListAuditEntries(*request); });
}

}  // namespace besa::server
