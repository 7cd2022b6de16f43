#include "server/api/rpc_server.h"

#include <grpc/grpc.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/api/drain.h"
#include "server/api/explain_listen.h"
#include "server/api/fleet_service.h"
#include "server/api/prune_service.h"
#include "server/api/request_log.h"
#include "server/api/services.h"
#include "server/api/task_pool.h"
#include "server/api/worker_service.h"

namespace besa::server {
namespace {

constexpr int kKeepaliveMs = 30'000;
constexpr int kKeepaliveTimeoutMs = 10'000;
constexpr int kShortestPingIntervalMs = 5'000;
// Results of blocks carry a loss for each step.
constexpr int kLargestMessage = 64 << 20;

}  // namespace

// In the order in which they are made; destroyed the other way round, when the server has let go of all of them.
struct RpcServer::Parts {
  Parts(const RpcServerOptions& options, Coordinator& coordinator, ChangeNotifier& notifier,
        storage::ObjectStore& store, const Clock& clock)
      : quick(options.quick_threads),
        slow(options.slow_threads),
        context{coordinator, notifier, clock, store, options.workspace, options.hooks, quick, slow, drain} {}

  Drain drain;
  TaskPool quick;
  TaskPool slow;
  ServiceContext context;
  PruneService prune{context};
  WorkerService worker{context};
  FleetService fleet{context};
  std::unique_ptr<grpc::Server> server;
};

RpcServer::RpcServer(std::unique_ptr<Parts> parts, std::string address)
    : parts_(std::move(parts)), address_(std::move(address)) {}

RpcServer::~RpcServer() { Stop(absl::ZeroDuration()); }

absl::StatusOr<std::unique_ptr<RpcServer>> RpcServer::Start(const RpcServerOptions& options, Coordinator& coordinator,
                                                            ChangeNotifier& notifier, storage::ObjectStore& store,
                                                            const Clock& clock) {
  if (const auto reason = WhyNotListen(options.listen)) {
    return absl::FailedPreconditionError(absl::StrCat("cannot listen on ", options.listen, ": ", *reason));
  }
  auto parts = std::make_unique<Parts>(options, coordinator, notifier, store, clock);
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();

  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(options.listen, grpc::InsecureServerCredentials(), &port);
  // Two coordinators on one port would each get some of the calls.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, kShortestPingIntervalMs);
  builder.SetMaxReceiveMessageSize(kLargestMessage);
  std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> interceptors;
  interceptors.push_back(std::make_unique<RequestLog>(clock, options.on_call));
  builder.experimental().SetInterceptorCreators(std::move(interceptors));
  builder.RegisterService(&parts->prune);
  builder.RegisterService(&parts->worker);
  builder.RegisterService(&parts->fleet);

  parts->server = builder.BuildAndStart();
  if (parts->server == nullptr || port == 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("cannot listen on ", options.listen, ": ", WhyNotListen(options.listen).value_or("gRPC refused")));
  }
  for (const char* service : {v1::PruneService::service_full_name(), v1::WorkerService::service_full_name(),
                              v1::FleetService::service_full_name()}) {
    parts->server->GetHealthCheckService()->SetServingStatus(service, true);
  }
  const std::string host = options.listen.substr(0, options.listen.rfind(':'));
  return std::unique_ptr<RpcServer>(new RpcServer(std::move(parts), absl::StrCat(host, ":", port)));
}

void RpcServer::Stop(absl::Duration grace) {
  if (parts_ == nullptr) return;
  parts_->server->GetHealthCheckService()->SetServingStatus(false);
  parts_->drain.Start();
  parts_->server->Shutdown(absl::ToChronoTime(absl::Now() + grace));
  parts_.reset();
}

}  // namespace besa::server
