// besa-coordinator: wires state, store, scheduler, publisher and the gRPC services together.
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "server/api/rpc_server.h"
#include "server/hooks/courier.h"
#include "server/hooks/endpoints.h"
#include "server/hooks/http_post.h"
#include "server/hooks/signer.h"
#include "server/metrics/fleet_metrics.h"
#include "server/metrics/metered_state_store.h"
#include "server/metrics/rpc_metrics.h"
#include "server/program/flags.h"
#include "server/program/grpc_log.h"
#include "server/program/open_state.h"
#include "server/program/stop_signal.h"
#include "server/publisher/background_loop.h"
#include "server/publisher/orphans.h"
#include "server/publisher/publisher.h"
#include "server/publisher/sweeper.h"
#include "server/scheduler/change_notifier.h"
#include "server/scheduler/coordinator.h"
#include "server/scheduler/housekeeper.h"
#include "spdlog/spdlog.h"
#include "storage/base/clock.h"
#include "storage/base/status_macros.h"
#include "storage/object/open_store.h"
#include "telemetry/logging.h"
#include "telemetry/metered_store.h"
#include "telemetry/metrics_endpoint.h"

namespace besa::server {
namespace {

constexpr absl::Duration kHousekeepingInterval = absl::Seconds(1);
constexpr absl::Duration kFleetInterval = absl::Seconds(2);
// One that waits for an endpoint keeps no other delivery waiting.
constexpr int kCouriers = 4;
constexpr absl::Duration kGrace = absl::Seconds(10);
constexpr absl::Duration kRequestPatience = absl::Seconds(5);
// A stop has to wait for it.
constexpr absl::Duration kOwnPatience = absl::Seconds(30);

void LogFailure(const char* what, const absl::Status& status) {
  if (!status.ok()) spdlog::warn("{}: {}", what, std::string(status.message()));
}

absl::Status Run(const Flags& flags, StopSignal& stop) {
  const Clock& clock = Clock::Real();
  const auto registry = std::make_shared<prometheus::Registry>();
  AddBuildInfo(*registry, "besa-coordinator", BESA_VERSION);
  const auto store_metrics = MakeStoreMetrics(*registry, clock);
  ASSIGN_OR_RETURN(const storage::Uri workspace, storage::Uri::Parse(flags.workspace, "--workspace"));
  // Whoever waits for an answer gets one soon, also while the store is down.
  ASSIGN_OR_RETURN(auto opened_request_store, storage::OpenStore({.allowed_prefixes = flags.allow,
                                                                  .config_file = flags.store_config,
                                                                  .retry_for = kRequestPatience}));
  const auto request_store = MeterStore(std::move(opened_request_store), store_metrics);
  // Requests must not reach into the workspace; publisher and sweeper must.
  storage::StoreOptions own_options{
      .allowed_prefixes = flags.allow, .config_file = flags.store_config, .retry_for = kOwnPatience};
  own_options.allowed_prefixes.push_back(flags.workspace);
  ASSIGN_OR_RETURN(auto opened_own_store, storage::OpenStore(own_options));
  const auto own_store = MeterStore(std::move(opened_own_store), store_metrics);
  RETURN_IF_ERROR(own_store->CheckWritable(workspace));

  ASSIGN_OR_RETURN(const Endpoints hook_endpoints, Endpoints::Allow(flags.allow_hook));
  Signer signer;
  if (!flags.hook_secret_file.empty()) {
    ASSIGN_OR_RETURN(signer, Signer::Read(flags.hook_secret_file));
  }

  const std::string id = RandomJobId();
  ChangeNotifier notifier;
  ASSIGN_OR_RETURN(const OpenedState opened_state, OpenState(flags.state, id, notifier, clock));
  MeteredStateStore state(*opened_state.store, *registry, clock);
  Coordinator coordinator(state, notifier, clock, RandomJobId,
                          {.workspace_uri = workspace.ToString(),
                           .lease_term = flags.lease_term,
                           .progress_term = flags.progress_term,
                           .keep_failed = flags.keep_failed,
                           .heartbeat_interval = flags.heartbeat_interval,
                           .max_attempts = flags.max_attempts,
                           .hook_patience = flags.hook_patience,
                           .worker_bytes_per_second = flags.worker_bytes_per_second});
  Publisher publisher(coordinator, *own_store, clock, {.id = "publisher-" + id, .besa_version = BESA_VERSION});
  Courier courier(coordinator, &PostWithCurl, clock, SystemRandom(),
                  {.id = "courier-" + id,
                   .agent = absl::StrCat("besa/", BESA_VERSION),
                   .endpoints = hook_endpoints,
                   .signer = signer});
  Housekeeper housekeeper(coordinator, state, clock);
  RpcMetrics rpc_metrics(*registry);
  const auto fleet = std::make_shared<FleetMetrics>(coordinator, state, clock, FleetMetrics::Options());

  ASSIGN_OR_RETURN(const auto server,
                   RpcServer::Start({.listen = flags.listen,
                                     .workspace = workspace,
                                     .hooks = hook_endpoints,
                                     .on_call = [&](const CallRecord& call) { rpc_metrics.Record(call); }},
                                    coordinator, notifier, *request_store, clock));
  BackgroundLoop publishing([&] {
    const absl::Duration pause = publisher.RunOnce();
    LogFailure("sweeping", Sweep(coordinator, *own_store, workspace));
    return pause;
  });
  const auto subscription = notifier.OnPublishing([&publishing] { publishing.Wake(); });
  std::vector<std::unique_ptr<BackgroundLoop>> couriers;
  for (int i = 0; i < kCouriers; ++i) {
    couriers.push_back(std::make_unique<BackgroundLoop>([&] { return courier.RunOnce(); }));
  }
  const auto hook_subscription = notifier.OnHook([&couriers] {
    for (const auto& each : couriers) each->Wake();
  });
  BackgroundLoop orphans([&] {
    LogFailure("sweeping orphans", SweepOrphans(coordinator, *own_store, workspace, clock.Now()));
    return flags.sweep_interval;
  });
  BackgroundLoop housekeeping([&] {
    LogFailure("housekeeping", housekeeper.Tick());
    LogFailure("sweeping", Sweep(coordinator, *own_store, workspace));
    return kHousekeepingInterval;
  });

  std::unique_ptr<MetricsEndpoint> metrics;
  std::unique_ptr<BackgroundLoop> fleet_loop;
  if (!flags.metrics_listen.empty()) {
    ASSIGN_OR_RETURN(metrics, MetricsEndpoint::Start(flags.metrics_listen, registry));
    metrics->Add(fleet);
    fleet_loop = std::make_unique<BackgroundLoop>([&] {
      LogFailure("refreshing the metrics", fleet->Refresh());
      return kFleetInterval;
    });
    spdlog::info("metrics at http://{}/metrics", metrics->address());
  }

  std::printf("besa-coordinator %s listening on %s\n", BESA_VERSION, server->address().c_str());
  std::fflush(stdout);
  spdlog::info("{} received, stopping", stop.Wait());
  publisher.Stop();
  server->Stop(kGrace);
  spdlog::info("stopped");
  return absl::OkStatus();
}

}  // namespace
}  // namespace besa::server

int main(int argc, char** argv) {
  besa::server::Flags flags;
  CLI::App app("Owns the jobs of besa: accepts them, hands their tasks to workers, publishes their results.",
               "besa-coordinator");
  besa::server::AddFlags(app, flags);
  CLI11_PARSE(app, argc, argv);
  besa::server::StopSignal stop;
  absl::Status status = besa::SetUpLogging(flags.log_level, besa::ParseLogFormat(flags.log_format));
  besa::server::LogGrpc();
  if (status.ok()) status = besa::server::Run(flags, stop);
  if (status.ok()) return 0;
  std::fprintf(stderr, "besa-coordinator: %s\n", std::string(status.message()).c_str());
  return 1;
}
