#include "worker/engine_tools.h"

#include <algorithm>
#include <cstdint>
#include <thread>
#include <utility>

#include "spdlog/spdlog.h"
#include "storage/base/clock.h"
#include "storage/base/random.h"
#include "storage/base/status_macros.h"
#include "storage/object/open_store.h"
#include "telemetry/metered_store.h"
#include "worker/agent/metered_engine.h"

namespace besa::worker {
namespace {

pruner::EngineOptions OptionsOf(const Flags& flags, const std::string& device, int ranks) {
  pruner::EngineOptions options = {
      .device = device, .threads = flags.threads, .memory_limit = static_cast<int64_t>(flags.memory_limit)};
  if (flags.rank < 0) return options;
  options.ranks = pruner::RankOptions{.rank = flags.rank, .size = ranks, .store = flags.rank_store};
  if (options.threads == 0 && device == "cpu") {
    options.threads = std::max(1, static_cast<int>(std::thread::hardware_concurrency()) / ranks);
  }
  return options;
}

}  // namespace

absl::StatusOr<std::unique_ptr<EngineTools>> EngineTools::Open(const Flags& flags, const std::string& device, int ranks,
                                                               prometheus::Registry& registry) {
  std::unique_ptr<EngineTools> tools(new EngineTools());
  tools->rank_ = static_cast<size_t>(std::max(0, flags.rank));
  ASSIGN_OR_RETURN(auto opened_store,
                   storage::OpenStore({.allowed_prefixes = flags.allow, .config_file = flags.store_config}));
  tools->store_ = MeterStore(std::move(opened_store), MakeStoreMetrics(registry, Clock::Real()));
  ASSIGN_OR_RETURN(tools->engine_, pruner::Engine::Create(OptionsOf(flags, device, ranks)));
  if (flags.rank < 0 && !flags.metrics_listen.empty())
    tools->engine_ = MeterEngine(std::move(tools->engine_), registry);
  if (!flags.cache.empty()) {
    ASSIGN_OR_RETURN(tools->cache_, storage::CachingStore::Open(*tools->store_,
                                                                {.folder = flags.cache,
                                                                 .limit_bytes = static_cast<int64_t>(flags.cache_limit),
                                                                 .worth_keeping = &WorthCaching,
                                                                 .random = SystemRandom()}));
    tools->prefetcher_.emplace(*tools->cache_);
  }
  storage::ObjectStore& store = tools->cache_ ? static_cast<storage::ObjectStore&>(*tools->cache_) : *tools->store_;
  tools->runner_.emplace(TaskEnvironment{.store = store,
                                         .engine = *tools->engine_,
                                         .clock = Clock::Real(),
                                         .prefetcher = tools->prefetcher_ ? &*tools->prefetcher_ : nullptr,
                                         .writes = flags.rank <= 0});
  return tools;
}

v1::Device EngineTools::device() const {
  const pruner::DeviceInfo& info = engine_->device();
  v1::Device device;
  device.set_id(info.id);
  device.set_model(info.model);
  device.set_memory_bytes(info.memory_bytes);
  device.set_threads(info.threads);
  return device;
}

void EngineTools::LogCache() const {
  if (!cache_) return;
  const storage::CacheCounts counts = cache_->counts();
  spdlog::info("cache: {} reads of {} were kept ones, {} bytes fetched, {} served, {} not kept", counts.hits,
               counts.hits + counts.misses, counts.fetched_bytes, counts.hit_bytes, counts.unkept_bytes);
}

}  // namespace besa::worker
