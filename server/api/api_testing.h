// A whole coordinator for one test: SQLite file, folders, gRPC on a real port, and channels to it.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "besa/v1/fleet_service.grpc.pb.h"
#include "besa/v1/prune_service.grpc.pb.h"
#include "besa/v1/worker_service.grpc.pb.h"
#include "grpcpp/client_context.h"
#include "server/api/rpc_server.h"
#include "server/publisher/publisher.h"
#include "server/scheduler/change_notifier.h"
#include "server/scheduler/coordinator.h"
#include "server/state/sqlite_state_store.h"
#include "server/testing/temp_folder.h"
#include "storage/base/error_info.h"
#include "storage/object/object_store.h"

namespace besa::server::testing {

// Jobs on the tiny checkpoint (see tiny_checkpoint.h). Nothing runs by itself: tests call the publisher.
class TestService {
 public:
  TestService();
  ~TestService();

  // Ends the server and all that is in memory, then starts again on the same files and a new port.
  void Restart();

  v1::PruneService::Stub& prune() { return *prune_; }
  v1::WorkerService::Stub& worker() { return *worker_; }
  v1::FleetService::Stub& fleet() { return *fleet_; }
  std::shared_ptr<grpc::Channel> channel() { return channel_; }
  RpcServer& server() { return *server_; }
  Coordinator& coordinator() { return *coordinator_; }
  Publisher& publisher() { return *publisher_; }
  storage::ObjectStore& store() { return *store_; }
  const TempFolder& folder() const { return folder_; }
  storage::Uri workspace() const { return folder_ / "workspace"; }

  // A request that is right, to write to that folder.
  v1::CreateJobRequest Request(const std::string& output);
  // Accepts it or fails the test.
  v1::Job CreateJob(const v1::CreateJobRequest& request);
  v1::Job GetJob(const std::string& name);

  // Makes "workers/{name}" known, incarnation "{name}-1".
  void Register(const std::string& name);
  // What that worker would send; `wait` in milliseconds.
  v1::LeaseTaskRequest LeaseRequest(const std::string& name, int wait_ms = 0);
  // A task if there is one now.
  std::optional<v1::Assignment> Lease(const std::string& name);
  grpc::Status Commit(const std::string& name, const v1::Assignment& assignment);
  grpc::Status Fail(const std::string& name, const v1::Assignment& assignment, v1::FailureReason reason);
  // Leases, plays (see scripted_task.h) and commits until nothing is left; returns how many tasks that were.
  int WorkOff(const std::string& name);

  // Waits until the server is done with a call of that method ("LeaseTask") that ended so: a client knows of its own
  // cancellation before the server does. False after ten seconds.
  bool WaitForEnd(std::string_view method, grpc::StatusCode code);

 private:
  void Start();

  std::mutex calls_mutex_;
  std::condition_variable call_ended_;
  std::vector<CallRecord> calls_;

  TempFolder folder_;
  std::unique_ptr<storage::ObjectStore> store_;
  std::unique_ptr<SqliteStateStore> state_;
  std::unique_ptr<ChangeNotifier> notifier_;
  std::unique_ptr<Coordinator> coordinator_;
  std::unique_ptr<Publisher> publisher_;
  std::unique_ptr<RpcServer> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::PruneService::Stub> prune_;
  std::unique_ptr<v1::WorkerService::Stub> worker_;
  std::unique_ptr<v1::FleetService::Stub> fleet_;
  int next_request_ = 0;
};

// A context whose call ends after ten seconds, so that a broken test fails instead of hanging.
class Call : public grpc::ClientContext {
 public:
  Call();
};

// The facts of an error that came over the wire.
ErrorInfo InfoOf(const grpc::Status& status);

}  // namespace besa::server::testing
