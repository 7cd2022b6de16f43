// Keeps the families of fleet_families.h up to date with the state.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "prometheus/collectable.h"
#include "server/metrics/fleet_families.h"
#include "server/scheduler/coordinator.h"
#include "server/state/state_store.h"
#include "storage/base/clock.h"

namespace besa::server {

// Collect may be called from any thread and reads nothing: it gives what the last Refresh found. One thread refreshes.
class FleetMetrics final : public prometheus::Collectable {
 public:
  struct Options {
    SeriesBudget budget;
    // Series of a job stay for that long after its end, so that every scraper sees its last figures.
    absl::Duration linger = absl::Minutes(2);
  };

  // All must outlive it.
  FleetMetrics(Coordinator& coordinator, StateStore& store, const Clock& clock, Options options)
      : coordinator_(coordinator), store_(store), clock_(clock), options_(options) {}

  // Reads what changed since the last call. After an error the metrics are those of before.
  absl::Status Refresh();

  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  struct Known {
    ShownJob shown;
    // When it was first seen to have ended, by the steady clock.
    absl::Duration ended = absl::InfiniteDuration();
  };

  absl::Status RefreshJob(const std::string& job_id);
  absl::Status RefreshJobs();

  Coordinator& coordinator_;
  StateStore& store_;
  const Clock& clock_;
  const Options options_;
  // By job id.
  std::map<std::string, Known> known_;

  mutable std::mutex mutex_;
  std::vector<prometheus::MetricFamily> families_;
};

}  // namespace besa::server
