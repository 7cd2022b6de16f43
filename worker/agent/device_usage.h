// How much of its device a worker uses, as the driver sees it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "prometheus/collectable.h"
#include "prometheus/metric_family.h"

namespace besa::worker {

//   besa_worker_device_memory_bytes{kind}      "total": what tasks may use; "used": of a GPU by all processes, of a CPU
//                                              the resident memory of this one
//   besa_worker_device_utilization_ratio       of a GPU: share of the last second or so in which a kernel ran (NVML).
//                                              Not given for a CPU: see process_cpu_seconds_total
// Thread-safe.
class DeviceUsage final : public prometheus::Collectable {
 public:
  // `device`: "cpu" or "cuda:N", which the process uses already. Of a GPU whose driver cannot be asked, only "total" is
  // given.
  DeviceUsage(const std::string& device, int64_t memory_bytes);
  ~DeviceUsage() override;

  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  class Nvml;

  const int64_t memory_bytes_;
  const bool cpu_;
  const std::unique_ptr<Nvml> nvml_;
};

}  // namespace besa::worker
