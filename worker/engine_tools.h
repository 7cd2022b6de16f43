// What a process runs tasks with: a store, an engine, and what lies between the two.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "prometheus/registry.h"
#include "storage/object/caching_store.h"
#include "storage/object/object_store.h"
#include "worker/agent/tasks/engine_task_runner.h"
#include "worker/agent/tasks/prefetch.h"
#include "worker/flags.h"
#include "worker/pruner/pruner.h"
#include "worker/ranks/serve_rank.h"

namespace besa::worker {

class EngineTools final : public RankTools {
 public:
  // Reads the flags of store, cache, threads, memory and metrics. As rank flags.rank of `ranks`, if that is set.
  // Registers the metrics of the store, and if they are served those of the engine.
  static absl::StatusOr<std::unique_ptr<EngineTools>> Open(const Flags& flags, const std::string& device, int ranks,
                                                           prometheus::Registry& registry);

  TaskRunner& runner() override { return *runner_; }
  absl::StatusOr<std::optional<v1::TaskResult>> RunOwnBlock(const std::vector<v1::Assignment>& assignments,
                                                            const TaskObserver& observer) override {
    return runner_->RunOwnBlock(assignments, rank_, observer);
  }
  v1::Device device() const override;

  // What the cache saved, into the log.
  void LogCache() const;

 private:
  EngineTools() = default;

  size_t rank_ = 0;
  std::unique_ptr<storage::ObjectStore> store_;
  std::unique_ptr<storage::CachingStore> cache_;
  std::optional<Prefetcher> prefetcher_;
  // Behind what it reads from in the background.
  std::unique_ptr<pruner::Engine> engine_;
  std::optional<EngineTaskRunner> runner_;
};

}  // namespace besa::worker
