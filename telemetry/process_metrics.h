// What the kernel knows of this process, under the names that Prometheus' own client libraries use.
#pragma once

#include <vector>

#include "prometheus/collectable.h"
#include "prometheus/metric_family.h"

namespace besa {

// process_cpu_seconds_total, process_resident_memory_bytes, process_open_fds, process_start_time_seconds. Thread-safe.
class ProcessMetrics final : public prometheus::Collectable {
 public:
  std::vector<prometheus::MetricFamily> Collect() const override;
};

}  // namespace besa
