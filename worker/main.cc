// besa-worker: wires device, store, tasks and agent together.
#include <grpcpp/channel.h>
#include <unistd.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "spdlog/spdlog.h"
#include "storage/base/clock.h"
#include "storage/base/error_info.h"
#include "storage/base/random.h"
#include "storage/base/sleeper.h"
#include "storage/base/status_macros.h"
#include "storage/object/caching_store.h"
#include "storage/object/open_store.h"
#include "telemetry/logging.h"
#include "telemetry/metered_store.h"
#include "telemetry/metrics_endpoint.h"
#include "worker/agent/agent.h"
#include "worker/agent/device_usage.h"
#include "worker/agent/failure_reason.h"
#include "worker/agent/fresh_id.h"
#include "worker/agent/metered_engine.h"
#include "worker/agent/metered_task_runner.h"
#include "worker/agent/stop_signals.h"
#include "worker/agent/tasks/engine_task_runner.h"
#include "worker/agent/tasks/prefetch.h"
#include "worker/flags.h"
#include "worker/pruner/pruner.h"

namespace besa::worker {
namespace {

constexpr int kFailed = 1;
constexpr int kBadUsage = 2;
constexpr int kIncompatible = 3;
// A supervisor starts the program again.
constexpr int kDeviceBroken = 4;

std::string HostName() {
  char name[256] = {};
  return gethostname(name, sizeof(name) - 1) == 0 ? name : "unknown";
}

v1::Device DeviceOf(const pruner::DeviceInfo& info) {
  v1::Device device;
  device.set_id(info.id);
  device.set_model(info.model);
  device.set_memory_bytes(info.memory_bytes);
  device.set_threads(info.threads);
  return device;
}

absl::Status Work(const Flags& flags, const std::shared_ptr<LogTail>& log_tail) {
  const auto registry = std::make_shared<prometheus::Registry>();
  AddBuildInfo(*registry, "besa-worker", BESA_VERSION);
  ASSIGN_OR_RETURN(auto opened_store,
                   storage::OpenStore({.allowed_prefixes = flags.allow, .config_file = flags.store_config}));
  const auto store = MeterStore(std::move(opened_store), MakeStoreMetrics(*registry, Clock::Real()));
  ASSIGN_OR_RETURN(auto engine, pruner::Engine::Create({.device = flags.device,
                                                        .threads = flags.threads,
                                                        .memory_limit = static_cast<int64_t>(flags.memory_limit)}));
  if (!flags.metrics_listen.empty()) engine = MeterEngine(std::move(engine), *registry);
  const RandomBits random = SystemRandom();
  std::unique_ptr<storage::CachingStore> cache;
  std::optional<Prefetcher> prefetcher;
  if (!flags.cache.empty()) {
    ASSIGN_OR_RETURN(cache, storage::CachingStore::Open(*store, {.folder = flags.cache,
                                                                 .limit_bytes = static_cast<int64_t>(flags.cache_limit),
                                                                 .worth_keeping = &WorthCaching,
                                                                 .random = random}));
    prefetcher.emplace(*cache);
  }
  EngineTaskRunner engine_runner({.store = cache ? static_cast<storage::ObjectStore&>(*cache) : *store,
                                  .engine = *engine,
                                  .clock = Clock::Real(),
                                  .prefetcher = prefetcher ? &*prefetcher : nullptr});

  const Identity identity{.name = WorkerName(flags, HostName()),
                          .incarnation = FreshId(random),
                          .version = BESA_VERSION,
                          .device = DeviceOf(engine->device())};
  spdlog::info("besa-worker {} {} on {} ({}, {:.1f} GiB, {} threads), coordinator {}", BESA_VERSION, identity.name,
               identity.device.id(), identity.device.model(),
               static_cast<double>(identity.device.memory_bytes()) / (1 << 30), identity.device.threads(),
               flags.coordinator);
  MeteredTaskRunner runner(engine_runner, identity.device, *registry, Clock::Real());
  const auto usage = std::make_shared<DeviceUsage>(identity.device.id(), identity.device.memory_bytes());
  std::unique_ptr<MetricsEndpoint> metrics;
  if (!flags.metrics_listen.empty()) {
    ASSIGN_OR_RETURN(metrics, MetricsEndpoint::Start(flags.metrics_listen, registry));
    metrics->Add(usage);
    spdlog::info("metrics at http://{}/metrics", metrics->address());
  }
  Agent agent({.identity = identity},
              {.clock = Clock::Real(),
               .sleeper = Sleeper::Real(),
               .uniform = [&random] { return UnitInterval(random()); },
               .new_id = [&random] { return FreshId(random); }},
              v1::WorkerService::NewStub(ConnectToCoordinator(flags.coordinator)), runner, log_tail);
  const StopSignals signals([&agent] { agent.Drain(); });
  const absl::Status ended = agent.Run();
  if (cache) {
    const storage::CacheCounts counts = cache->counts();
    spdlog::info("cache: {} reads of {} were kept ones, {} bytes fetched, {} served, {} not kept", counts.hits,
                 counts.hits + counts.misses, counts.fetched_bytes, counts.hit_bytes, counts.unkept_bytes);
  }
  return ended;
}

int ExitCode(const absl::Status& status) {
  if (status.ok()) return 0;
  spdlog::error("{}", std::string(status.message()));
  const auto info = GetErrorInfo(status);
  if (info && info->reason == "PROTOCOL_VERSION_MISMATCH") return kIncompatible;
  return info && info->reason == kDeviceFailed ? kDeviceBroken : kFailed;
}

int Main(int argc, char** argv) {
  Flags flags;
  CLI::App app("Takes tasks from a besa coordinator and runs them on one device.");
  app.set_version_flag("--version", "besa-worker " BESA_VERSION);
  AddFlags(app, flags);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kBadUsage;
  }
  const auto log_tail = std::make_shared<LogTail>();
  const LogFormat format = ParseLogFormat(flags.log_format);
  if (const absl::Status status = SetUpLogging(flags.log_level, format, {log_tail}); !status.ok()) {
    spdlog::error("{}", std::string(status.message()));
    return kBadUsage;
  }
  // Before LibTorch and gRPC start their threads.
  BlockStopSignals();
  return ExitCode(Work(flags, log_tail));
}

}  // namespace
}  // namespace besa::worker

int main(int argc, char** argv) { return besa::worker::Main(argc, argv); }
