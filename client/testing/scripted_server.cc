#include "client/testing/scripted_server.h"

#include <chrono>
#include <stdexcept>

#include "absl/strings/str_cat.h"
#include "grpcpp/server_builder.h"

namespace besa::client {
namespace {

template <typename Request, typename Response>
grpc::Status Answer(const Script<Request, Response>& script, const Request* request, Response* response) {
  if (!script) return grpc::Status(grpc::StatusCode::UNIMPLEMENTED, "the test has no script for this");
  return script(*request, response);
}

}  // namespace

grpc::Status ScriptedPrune::CreateJob(grpc::ServerContext*, const v1::CreateJobRequest* request, v1::Job* response) {
  return Answer(create_job, request, response);
}
grpc::Status ScriptedPrune::EstimateJob(grpc::ServerContext*, const v1::EstimateJobRequest* request,
                                        v1::EstimateJobResponse* response) {
  return Answer(estimate_job, request, response);
}
grpc::Status ScriptedPrune::GetJob(grpc::ServerContext*, const v1::GetJobRequest* request, v1::Job* response) {
  return Answer(get_job, request, response);
}
grpc::Status ScriptedPrune::ListJobs(grpc::ServerContext*, const v1::ListJobsRequest* request,
                                     v1::ListJobsResponse* response) {
  return Answer(list_jobs, request, response);
}
grpc::Status ScriptedPrune::WatchJob(grpc::ServerContext* context, const v1::WatchJobRequest* request,
                                     grpc::ServerWriter<v1::WatchJobResponse>* writer) {
  if (!watch_job) return grpc::Status(grpc::StatusCode::UNIMPLEMENTED, "the test has no script for this");
  return watch_job(*context, *request, [&](const v1::WatchJobResponse& message) { return writer->Write(message); });
}
grpc::Status ScriptedPrune::CancelJob(grpc::ServerContext*, const v1::CancelJobRequest* request, v1::Job* response) {
  return Answer(cancel_job, request, response);
}
grpc::Status ScriptedPrune::RetryJob(grpc::ServerContext*, const v1::RetryJobRequest* request, v1::Job* response) {
  return Answer(retry_job, request, response);
}
grpc::Status ScriptedPrune::DeleteJob(grpc::ServerContext*, const v1::DeleteJobRequest* request,
                                      google::protobuf::Empty* response) {
  return Answer(delete_job, request, response);
}
grpc::Status ScriptedPrune::ListTasks(grpc::ServerContext*, const v1::ListTasksRequest* request,
                                      v1::ListTasksResponse* response) {
  return Answer(list_tasks, request, response);
}
grpc::Status ScriptedFleet::ListWorkers(grpc::ServerContext*, const v1::ListWorkersRequest* request,
                                        v1::ListWorkersResponse* response) {
  return Answer(list_workers, request, response);
}

ScriptedServer::ScriptedServer() { Start(); }
ScriptedServer::~ScriptedServer() { Stop(); }

void ScriptedServer::Start() {
  grpc::ServerBuilder builder;
  // Without this a second server could share the port with one of another test.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddListeningPort(address(), grpc::InsecureServerCredentials(), &port_);
  builder.RegisterService(&prune);
  builder.RegisterService(&fleet);
  server_ = builder.BuildAndStart();
  if (!server_) throw std::runtime_error(absl::StrCat("cannot listen on ", address()));
}

void ScriptedServer::Stop() {
  if (!server_) return;
  server_->Shutdown(std::chrono::system_clock::time_point());
  server_->Wait();
  server_.reset();
}

void ScriptedServer::Restart() {
  Stop();
  Start();
}

std::string ScriptedServer::address() const { return absl::StrCat("127.0.0.1:", port_); }

}  // namespace besa::client
