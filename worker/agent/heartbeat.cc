#include "worker/agent/heartbeat.h"

#include "spdlog/spdlog.h"

namespace besa::worker {

Heartbeat::Heartbeat(CoordinatorClient& client, Sleeper& sleeper, const HeldLease& held)
    : client_(client),
      sleeper_(sleeper),
      held_(held),
      log_fields_(CurrentLogFields()),
      thread_([this](std::stop_token stop) { Loop(stop); }) {}

void Heartbeat::SetProgress(const v1::TaskProgress& progress) {
  const std::lock_guard lock(mutex_);
  progress_ = progress;
}

Heartbeat::Order Heartbeat::order() const {
  const std::lock_guard lock(mutex_);
  return order_;
}

void Heartbeat::Loop(std::stop_token stop) {
  const ScopedLogFields fields(log_fields_);
  while (sleeper_.Sleep(client_.heartbeat_interval(), stop) && order() != Order::kLeaseLost) Beat(stop);
}

void Heartbeat::Beat(std::stop_token stop) {
  v1::TaskProgress progress;
  {
    const std::lock_guard lock(mutex_);
    progress = progress_;
  }
  const auto cancel = client_.Heartbeat(held_, progress, stop);
  if (stop.stop_requested()) return;
  if (!cancel.ok() && cancel.status().code() != absl::StatusCode::kAborted) {
    if (!away_) spdlog::warn("heartbeat failed, the task goes on: {}", cancel.status().ToString());
    away_ = true;
    return;
  }
  if (away_) spdlog::info("heartbeats arrive again");
  away_ = false;
  const std::lock_guard lock(mutex_);
  if (order_ != Order::kGoOn) return;
  if (!cancel.ok()) order_ = Order::kLeaseLost;
  if (cancel.ok() && *cancel) order_ = Order::kCancel;
}

}  // namespace besa::worker
