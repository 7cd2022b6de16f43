#include "server/api/fleet_service.h"

#include "server/api/unary_call.h"

namespace besa::server {

grpc::ServerUnaryReactor* FleetService::ListWorkers(grpc::CallbackServerContext* context,
                                                    const v1::ListWorkersRequest* request,
                                                    v1::ListWorkersResponse* response) {
  return Answer<v1::ListWorkersResponse>(services_.quick, context, response,
                                         [=, this] { return services_.coordinator.ListWorkers(*request); });
}

}  // namespace besa::server
