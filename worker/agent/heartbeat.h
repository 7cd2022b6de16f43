// Keeps one lease alive while its task runs.
#pragma once

#include <mutex>
#include <thread>

#include "besa/v1/worker_service.pb.h"
#include "storage/base/sleeper.h"
#include "telemetry/log_context.h"
#include "worker/agent/coordinator_client.h"

namespace besa::worker {

// Sends the latest progress at the coordinator's interval from its own thread, from construction to destruction, and
// notes what the answers ask for. Thread-safe.
class Heartbeat {
 public:
  enum class Order { kGoOn, kCancel, kLeaseLost };

  // All must outlive it.
  Heartbeat(CoordinatorClient& client, Sleeper& sleeper, const HeldLease& held);

  void SetProgress(const v1::TaskProgress& progress);
  // Never changes back once it is not kGoOn.
  Order order() const;

 private:
  void Loop(std::stop_token stop);
  void Beat(std::stop_token stop);

  CoordinatorClient& client_;
  Sleeper& sleeper_;
  const HeldLease held_;
  const LogFields log_fields_;

  mutable std::mutex mutex_;
  v1::TaskProgress progress_;
  Order order_ = Order::kGoOn;
  // Only the thread uses it: an outage is logged once.
  bool away_ = false;

  // Last, so that it ends before what it uses.
  std::jthread thread_;
};

}  // namespace besa::worker
