// besa-worker: wires device, store, tasks and agent together.
#include <grpcpp/channel.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "spdlog/spdlog.h"
#include "storage/base/clock.h"
#include "storage/base/error_info.h"
#include "storage/base/random.h"
#include "storage/base/sleeper.h"
#include "storage/base/status_macros.h"
#include "telemetry/logging.h"
#include "telemetry/metrics_endpoint.h"
#include "worker/agent/agent.h"
#include "worker/agent/device_usage.h"
#include "worker/agent/failure_reason.h"
#include "worker/agent/fresh_id.h"
#include "worker/agent/metered_task_runner.h"
#include "worker/agent/stop_signals.h"
#include "worker/engine_tools.h"
#include "worker/flags.h"
#include "worker/ranks/child_process.h"
#include "worker/ranks/devices.h"
#include "worker/ranks/rank_child.h"
#include "worker/ranks/rank_log.h"
#include "worker/ranks/rank_task_runner.h"
#include "worker/ranks/serve_rank.h"

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

// The process that speaks to the coordinator.
absl::Status Work(const Flags& flags, const std::vector<std::string>& arguments,
                  const std::shared_ptr<LogTail>& log_tail) {
  const auto registry = std::make_shared<prometheus::Registry>();
  AddBuildInfo(*registry, "besa-worker", BESA_VERSION);
  const RandomBits random = SystemRandom();
  ASSIGN_OR_RETURN(const std::vector<std::string> devices, RankDevices(flags.device, flags.ranks));
  const bool alone = flags.ranks == 0 && devices.size() == 1;
  std::unique_ptr<EngineTools> tools;
  std::optional<RankChildren> children;
  std::unique_ptr<RankTaskRunner> ranks;
  if (alone) {
    ASSIGN_OR_RETURN(tools, EngineTools::Open(flags, devices.front(), 1, *registry));
  } else {
    const std::string name = absl::StrCat("besa-ranks-", FreshId(random));
    children.emplace(arguments, (std::filesystem::temp_directory_path() / name).string());
    ASSIGN_OR_RETURN(ranks,
                     RankTaskRunner::Start(
                         {.ranks = static_cast<int>(devices.size()), .silence = absl::Seconds(flags.rank_timeout)},
                         [&](int rank, int64_t group) { return children->Start(rank, group); }, Clock::Real()));
  }

  const Identity identity{.name = WorkerName(flags, HostName()),
                          .incarnation = FreshId(random),
                          .version = BESA_VERSION,
                          .device = alone ? tools->device() : ranks->device()};
  spdlog::info("besa-worker {} {} on {} ({}, {:.1f} GiB, {} threads), coordinator {}", BESA_VERSION, identity.name,
               identity.device.id(), identity.device.model(),
               static_cast<double>(identity.device.memory_bytes()) / (1 << 30), identity.device.threads(),
               flags.coordinator);
  MeteredTaskRunner runner(alone ? tools->runner() : *ranks, identity.device, *registry, Clock::Real());
  std::shared_ptr<DeviceUsage> usage;
  // Of several devices, each is another process's.
  if (alone) usage = std::make_shared<DeviceUsage>(identity.device.id(), identity.device.memory_bytes());
  std::unique_ptr<MetricsEndpoint> metrics;
  if (!flags.metrics_listen.empty()) {
    ASSIGN_OR_RETURN(metrics, MetricsEndpoint::Start(flags.metrics_listen, registry));
    if (usage) metrics->Add(usage);
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
  if (tools) tools->LogCache();
  return ended;
}

// A rank's process.
absl::Status WorkAsRank(const Flags& flags, MessageSocket& socket) {
  prometheus::Registry unread;
  const auto open = [&]() -> absl::StatusOr<std::unique_ptr<RankTools>> {
    ASSIGN_OR_RETURN(const std::vector<std::string> devices, RankDevices(flags.device, flags.ranks));
    const int ranks = static_cast<int>(devices.size());
    if (flags.rank >= ranks) return FieldError("--rank", absl::StrCat(flags.rank), absl::StrCat("0 to ", ranks - 1));
    return EngineTools::Open(flags, devices[static_cast<size_t>(flags.rank)], ranks, unread);
  };
  return ServeRank(socket, open, {.orphaned = [] { std::_Exit(kFailed); }}, Sleeper::Real());
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
  if (flags.rank >= 0) {
    // Beyond the end of main: whatever ends late may still log.
    static MessageSocket socket(ChildProcess::kInherited);
    BlockStopSignals();
    const absl::Status log = SendLogTo(socket, flags.rank == 0 ? flags.log_level : "warn");
    return log.ok() && WorkAsRank(flags, socket).ok() ? 0 : kFailed;
  }
  const auto log_tail = std::make_shared<LogTail>();
  const LogFormat format = ParseLogFormat(flags.log_format);
  if (const absl::Status status = SetUpLogging(flags.log_level, format, {log_tail}); !status.ok()) {
    spdlog::error("{}", std::string(status.message()));
    return kBadUsage;
  }
  // Before LibTorch and gRPC start their threads.
  BlockStopSignals();
  return ExitCode(Work(flags, {argv, argv + argc}, log_tail));
}

}  // namespace
}  // namespace besa::worker

int main(int argc, char** argv) { return besa::worker::Main(argc, argv); }
