// A coordinator that says what a test wants, behind a real gRPC server.
#pragma once

#include <grpcpp/server.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "besa/v1/worker_service.grpc.pb.h"

namespace besa::worker {

// Records every request. Answers OK unless a hook says otherwise; hooks are set before the first call. Thread-safe.
class ScriptedCoordinator final : private v1::WorkerService::Service {
 public:
  ScriptedCoordinator();
  ~ScriptedCoordinator() override;

  const std::string& address() const { return address_; }
  // Stops listening; what is remembered stays.
  void Stop();
  // Listens again at the same address.
  void Start();

  // Handed out, in order, to whoever asks.
  void Offer(v1::Assignment assignment);
  // All of them at once.
  void OfferSeveral(std::vector<v1::Assignment> assignments);

  std::function<absl::Status(const v1::RegisterWorkerRequest&)> on_register;
  std::function<absl::Status(const v1::LeaseTaskRequest&)> on_lease;
  std::function<absl::StatusOr<bool>(const v1::HeartbeatRequest&)> on_heartbeat;
  std::function<absl::Status(const v1::CommitTaskRequest&)> on_commit;

  std::vector<v1::RegisterWorkerRequest> registrations() const { return Copy(registrations_); }
  std::vector<v1::LeaseTaskRequest> leases() const { return Copy(leases_); }
  std::vector<v1::HeartbeatRequest> heartbeats() const { return Copy(heartbeats_); }
  std::vector<v1::CommitTaskRequest> commits() const { return Copy(commits_); }
  std::vector<v1::FailTaskRequest> failures() const { return Copy(failures_); }

 private:
  grpc::Status RegisterWorker(grpc::ServerContext*, const v1::RegisterWorkerRequest*,
                              v1::RegisterWorkerResponse*) override;
  grpc::Status LeaseTask(grpc::ServerContext*, const v1::LeaseTaskRequest*, v1::LeaseTaskResponse*) override;
  grpc::Status Heartbeat(grpc::ServerContext*, const v1::HeartbeatRequest*, v1::HeartbeatResponse*) override;
  grpc::Status CommitTask(grpc::ServerContext*, const v1::CommitTaskRequest*, v1::CommitTaskResponse*) override;
  grpc::Status FailTask(grpc::ServerContext*, const v1::FailTaskRequest*, v1::FailTaskResponse*) override;

  template <typename T>
  void Record(std::vector<T>& list, const T& request);
  template <typename T>
  std::vector<T> Copy(const std::vector<T>& list) const {
    const std::lock_guard lock(mutex_);
    return list;
  }

  std::string address_ = "127.0.0.1:0";
  std::unique_ptr<grpc::Server> server_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  std::deque<std::vector<v1::Assignment>> offers_;
  std::vector<v1::RegisterWorkerRequest> registrations_;
  std::vector<v1::LeaseTaskRequest> leases_;
  std::vector<v1::HeartbeatRequest> heartbeats_;
  std::vector<v1::CommitTaskRequest> commits_;
  std::vector<v1::FailTaskRequest> failures_;
};

}  // namespace besa::worker
