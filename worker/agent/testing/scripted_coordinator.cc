#include "worker/agent/testing/scripted_coordinator.h"

#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/server_context.h>

#include <chrono>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "proto/rpc_status.h"

namespace besa::worker {

ScriptedCoordinator::ScriptedCoordinator() { Start(); }

ScriptedCoordinator::~ScriptedCoordinator() { Stop(); }

void ScriptedCoordinator::Start() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = false;
  }
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort(address_, grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(this);
  server_ = builder.BuildAndStart();
  if (server_ == nullptr || port == 0) std::abort();
  address_ = absl::StrCat("127.0.0.1:", port);
}

void ScriptedCoordinator::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (server_ == nullptr) return;
  server_->Shutdown(std::chrono::system_clock::now());
  server_->Wait();
  server_.reset();
}

void ScriptedCoordinator::Offer(v1::Assignment assignment) { OfferSeveral({std::move(assignment)}); }

void ScriptedCoordinator::OfferSeveral(std::vector<v1::Assignment> assignments) {
  {
    const std::lock_guard lock(mutex_);
    offers_.push_back(std::move(assignments));
  }
  changed_.notify_all();
}

template <typename T>
void ScriptedCoordinator::Record(std::vector<T>& list, const T& request) {
  const std::lock_guard lock(mutex_);
  list.push_back(request);
}

grpc::Status ScriptedCoordinator::RegisterWorker(grpc::ServerContext*, const v1::RegisterWorkerRequest* request,
                                                 v1::RegisterWorkerResponse* response) {
  Record(registrations_, *request);
  response->set_protocol_version(v1::PROTOCOL_VERSION_1);
  response->mutable_heartbeat_interval()->set_seconds(5);
  response->mutable_lease_term()->set_seconds(30);
  return on_register ? ToGrpc(on_register(*request)) : grpc::Status::OK;
}

grpc::Status ScriptedCoordinator::LeaseTask(grpc::ServerContext* context, const v1::LeaseTaskRequest* request,
                                            v1::LeaseTaskResponse* response) {
  Record(leases_, *request);
  if (on_lease) {
    if (const absl::Status status = on_lease(*request); !status.ok()) return ToGrpc(status);
  }
  std::unique_lock lock(mutex_);
  while (offers_.empty() && !stopping_ && !context->IsCancelled()) {
    changed_.wait_for(lock, std::chrono::milliseconds(10));
  }
  if (stopping_) return grpc::Status(grpc::StatusCode::UNAVAILABLE, "stopping");
  if (offers_.empty()) return grpc::Status::OK;
  const std::vector<v1::Assignment>& offered = offers_.front();
  *response->mutable_assignment() = offered.front();
  for (size_t i = 1; i < offered.size(); ++i) *response->add_further() = offered[i];
  offers_.pop_front();
  return grpc::Status::OK;
}

grpc::Status ScriptedCoordinator::Heartbeat(grpc::ServerContext*, const v1::HeartbeatRequest* request,
                                            v1::HeartbeatResponse* response) {
  Record(heartbeats_, *request);
  if (!on_heartbeat) return grpc::Status::OK;
  const absl::StatusOr<bool> cancel = on_heartbeat(*request);
  if (!cancel.ok()) return ToGrpc(cancel.status());
  response->set_cancel(*cancel);
  return grpc::Status::OK;
}

grpc::Status ScriptedCoordinator::CommitTask(grpc::ServerContext*, const v1::CommitTaskRequest* request,
                                             v1::CommitTaskResponse*) {
  Record(commits_, *request);
  return on_commit ? ToGrpc(on_commit(*request)) : grpc::Status::OK;
}

grpc::Status ScriptedCoordinator::FailTask(grpc::ServerContext*, const v1::FailTaskRequest* request,
                                           v1::FailTaskResponse*) {
  Record(failures_, *request);
  return grpc::Status::OK;
}

}  // namespace besa::worker
