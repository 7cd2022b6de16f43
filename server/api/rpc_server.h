// The coordinator's gRPC server: the services, the interceptor, health checks and reflection.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/api/request_log.h"
#include "server/hooks/endpoints.h"
#include "server/scheduler/change_notifier.h"
#include "server/scheduler/coordinator.h"
#include "storage/base/clock.h"
#include "storage/object/object_store.h"

namespace besa::server {

struct RpcServerOptions {
  // "host:port"; port 0 lets the system choose.
  std::string listen = "127.0.0.1:7600";
  // Off limits to requests.
  storage::Uri workspace;
  // Which completion hooks jobs may have.
  Endpoints hooks = {};
  // Threads for calls that use the state, which wait for its disk most of the time; for calls that read checkpoints.
  int quick_threads = 16;
  int slow_threads = 2;
  // Told of every call when it ends, from any thread. May be empty.
  std::function<void(const CallRecord&)> on_call = {};
};

class RpcServer {
 public:
  // Listens and serves. All arguments must outlive the server. FAILED_PRECONDITION if the address cannot be listened
  // on, saying why.
  static absl::StatusOr<std::unique_ptr<RpcServer>> Start(const RpcServerOptions& options, Coordinator& coordinator,
                                                          ChangeNotifier& notifier, storage::ObjectStore& store,
                                                          const Clock& clock);
  ~RpcServer();

  // "host:port" with the port that was chosen.
  const std::string& address() const { return address_; }

  // Health checks say NOT_SERVING, long polls come back empty, watches end with UNAVAILABLE, no new call is taken;
  // calls that run have `grace` to finish. Returns when none is left.
  void Stop(absl::Duration grace);

 private:
  struct Parts;
  RpcServer(std::unique_ptr<Parts> parts, std::string address);

  std::unique_ptr<Parts> parts_;
  std::string address_;
};

}  // namespace besa::server
