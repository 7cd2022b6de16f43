#include "server/api/prune_service.h"

#include "absl/status/statusor.h"
#include "server/api/caller.h"
#include "server/api/create_and_retry.h"
#include "server/api/request_log.h"
#include "server/api/unary_call.h"
#include "server/api/watch_call.h"
#include "server/estimate/estimate_job.h"
#include "storage/base/status_macros.h"

namespace besa::server {

using grpc::CallbackServerContext;
using grpc::ServerUnaryReactor;

ServerUnaryReactor* PruneService::CreateJob(CallbackServerContext* context, const v1::CreateJobRequest* request,
                                            v1::Job* response) {
  return Answer<v1::Job>(services_.slow, context, response, [=, this] {
    return server::CreateJob(services_, *request, CallerOf(*context), FindTraceId(context->client_metadata()));
  });
}

ServerUnaryReactor* PruneService::EstimateJob(CallbackServerContext* context, const v1::EstimateJobRequest* request,
                                              v1::EstimateJobResponse* response) {
  return Answer<v1::EstimateJobResponse>(services_.slow, context, response, [=, this] {
    return server::EstimateJob(*request, services_.coordinator, services_.store, services_.workspace, services_.hooks);
  });
}

ServerUnaryReactor* PruneService::GetJob(CallbackServerContext* context, const v1::GetJobRequest* request,
                                         v1::Job* response) {
  return Answer<v1::Job>(services_.quick, context, response,
                         [=, this] { return services_.coordinator.GetJob(request->name()); });
}

ServerUnaryReactor* PruneService::ListJobs(CallbackServerContext* context, const v1::ListJobsRequest* request,
                                           v1::ListJobsResponse* response) {
  return Answer<v1::ListJobsResponse>(services_.quick, context, response,
                                      [=, this] { return services_.coordinator.ListJobs(*request); });
}

grpc::ServerWriteReactor<v1::WatchJobResponse>* PruneService::WatchJob(CallbackServerContext* context,
                                                                       const v1::WatchJobRequest* request) {
  return WatchCall::Start(services_, context, request);
}

ServerUnaryReactor* PruneService::CancelJob(CallbackServerContext* context, const v1::CancelJobRequest* request,
                                            v1::Job* response) {
  return Answer<v1::Job>(services_.quick, context, response,
                         [=, this] { return services_.coordinator.CancelJob(request->name(), CallerOf(*context)); });
}

ServerUnaryReactor* PruneService::RetryJob(CallbackServerContext* context, const v1::RetryJobRequest* request,
                                           v1::Job* response) {
  return Answer<v1::Job>(services_.slow, context, response,
                         [=, this] { return server::RetryJob(services_, *request, CallerOf(*context)); });
}

ServerUnaryReactor* PruneService::DeleteJob(CallbackServerContext* context, const v1::DeleteJobRequest* request,
                                            google::protobuf::Empty* response) {
  return Answer<google::protobuf::Empty>(
      services_.quick, context, response, [=, this]() -> absl::StatusOr<google::protobuf::Empty> {
        RETURN_IF_ERROR(services_.coordinator.DeleteJob(request->name(), CallerOf(*context)));
        return google::protobuf::Empty();
      });
}

ServerUnaryReactor* PruneService::ListTasks(CallbackServerContext* context, const v1::ListTasksRequest* request,
                                            v1::ListTasksResponse* response) {
  return Answer<v1::ListTasksResponse>(services_.quick, context, response,
                                       [=, this] { return services_.coordinator.ListTasks(*request); });
}

ServerUnaryReactor* PruneService::GetTask(CallbackServerContext* context, const v1::GetTaskRequest* request,
                                          v1::Task* response) {
  return Answer<v1::Task>(services_.quick, context, response,
                          [=, this] { return services_.coordinator.GetTask(request->name()); });
}

}  // namespace besa::server
