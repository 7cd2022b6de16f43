// Calls to this coordinator.
#pragma once

#include <set>
#include <string>

#include "prometheus/counter.h"
#include "prometheus/histogram.h"
#include "prometheus/registry.h"
#include "server/api/request_log.h"

namespace besa::server {

//   besa_rpc_seconds{method}            histogram, but for WatchJob, which lasts as long as somebody watches. LeaseTask
//                                       waits for work, up to 20 s
//   besa_rpc_calls_total{method, code}
// `method` is "PruneService/GetJob", or "other" for what besa does not define. Thread-safe.
class RpcMetrics {
 public:
  explicit RpcMetrics(prometheus::Registry& registry);

  void Record(const CallRecord& call);

 private:
  std::set<std::string> known_;
  prometheus::Family<prometheus::Histogram>& seconds_;
  prometheus::Family<prometheus::Counter>& calls_;
};

}  // namespace besa::server
