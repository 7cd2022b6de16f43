// A real gRPC server whose answers a test writes: the other end of the client's protocol.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "besa/v1/fleet_service.grpc.pb.h"
#include "besa/v1/prune_service.grpc.pb.h"
#include "grpcpp/server.h"

namespace besa::client {

// What one method answers. UNIMPLEMENTED while unset.
template <typename Request, typename Response>
using Script = std::function<grpc::Status(const Request&, Response*)>;

// Sends messages of a watch; returns false once the client is gone.
using WatchWriter = std::function<bool(const v1::WatchJobResponse&)>;

// Set the scripts before the first call.
class ScriptedPrune : public v1::PruneService::Service {
 public:
  Script<v1::CreateJobRequest, v1::Job> create_job;
  Script<v1::EstimateJobRequest, v1::EstimateJobResponse> estimate_job;
  Script<v1::GetJobRequest, v1::Job> get_job;
  Script<v1::ListJobsRequest, v1::ListJobsResponse> list_jobs;
  Script<v1::CancelJobRequest, v1::Job> cancel_job;
  Script<v1::RetryJobRequest, v1::Job> retry_job;
  Script<v1::DeleteJobRequest, google::protobuf::Empty> delete_job;
  Script<v1::ListTasksRequest, v1::ListTasksResponse> list_tasks;
  std::function<grpc::Status(grpc::ServerContext&, const v1::WatchJobRequest&, const WatchWriter&)> watch_job;

 private:
  grpc::Status CreateJob(grpc::ServerContext*, const v1::CreateJobRequest*, v1::Job*) override;
  grpc::Status EstimateJob(grpc::ServerContext*, const v1::EstimateJobRequest*, v1::EstimateJobResponse*) override;
  grpc::Status GetJob(grpc::ServerContext*, const v1::GetJobRequest*, v1::Job*) override;
  grpc::Status ListJobs(grpc::ServerContext*, const v1::ListJobsRequest*, v1::ListJobsResponse*) override;
  grpc::Status WatchJob(grpc::ServerContext*, const v1::WatchJobRequest*,
                        grpc::ServerWriter<v1::WatchJobResponse>*) override;
  grpc::Status CancelJob(grpc::ServerContext*, const v1::CancelJobRequest*, v1::Job*) override;
  grpc::Status RetryJob(grpc::ServerContext*, const v1::RetryJobRequest*, v1::Job*) override;
  grpc::Status DeleteJob(grpc::ServerContext*, const v1::DeleteJobRequest*, google::protobuf::Empty*) override;
  grpc::Status ListTasks(grpc::ServerContext*, const v1::ListTasksRequest*, v1::ListTasksResponse*) override;
};

class ScriptedFleet : public v1::FleetService::Service {
 public:
  Script<v1::ListWorkersRequest, v1::ListWorkersResponse> list_workers;

 private:
  grpc::Status ListWorkers(grpc::ServerContext*, const v1::ListWorkersRequest*, v1::ListWorkersResponse*) override;
};

// Owns the services and the server.
class ScriptedServer {
 public:
  // Listens at once, on a free port of 127.0.0.1.
  ScriptedServer();
  ~ScriptedServer();

  // Ends the server and every call in it, as a killed coordinator would, and starts another at the same address.
  void Restart();
  void Stop();
  void Start();

  // "127.0.0.1:{port}".
  std::string address() const;

  ScriptedPrune prune;
  ScriptedFleet fleet;

 private:
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace besa::client
