// The metrics of this process over HTTP, for Prometheus.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "prometheus/collectable.h"
#include "prometheus/registry.h"

namespace besa {

class MetricsEndpoint {
 public:
  // Serves http://<listen>/metrics: `registry`, and process_* of this process. `listen` is "host:port"; port 0 lets the
  // system choose. FAILED_PRECONDITION if it cannot be listened on.
  static absl::StatusOr<std::unique_ptr<MetricsEndpoint>> Start(const std::string& listen,
                                                                std::shared_ptr<prometheus::Registry> registry);
  ~MetricsEndpoint();

  // Serves more beside it. Not kept alive. Thread-safe.
  void Add(const std::shared_ptr<prometheus::Collectable>& more);

  // "host:port" with the port that was chosen.
  const std::string& address() const { return address_; }

 private:
  class Server;
  MetricsEndpoint(std::unique_ptr<Server> server, std::string address);

  const std::unique_ptr<Server> server_;
  const std::string address_;
};

// besa_build_info{program, version, compiler} 1.
void AddBuildInfo(prometheus::Registry& registry, absl::string_view program, absl::string_view version);

}  // namespace besa
