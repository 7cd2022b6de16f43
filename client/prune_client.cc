#include "client/prune_client.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "besa/v1/fleet_service.grpc.pb.h"
#include "besa/v1/prune_service.grpc.pb.h"
#include "client/uuid.h"
#include "grpc/support/time.h"
#include "grpcpp/client_context.h"
#include "grpcpp/create_channel.h"
#include "proto/rpc_status.h"
#include "storage/base/error_info.h"
#include "storage/base/status_macros.h"
#include "telemetry/trace.h"

namespace besa::client {
namespace {

constexpr int kLargestPage = 1000;

std::shared_ptr<grpc::Channel> Connect(const std::string& target) {
  grpc::ChannelArguments arguments;
  // The pace is that of our own retries.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 100);
  // A watch of a waiting job is silent for long; pings tell a dead connection from a quiet one.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 60'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20'000);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  // Results of a job with many blocks are larger than gRPC's 4 MiB.
  arguments.SetMaxReceiveMessageSize(-1);
  return grpc::CreateCustomChannel(target, grpc::InsecureChannelCredentials(), arguments);
}

// How long a further attempt waits for a connection that was lost.
constexpr int64_t kReconnectMicros = 300'000;

// Gives a lost connection the chance to come back. A synchronous call fails at once while there is none, and between
// calls no thread attends to the channel but gRPC's spare one every five seconds, so that without this a restarted
// coordinator would be found late.
void Reconnect(grpc::Channel& channel) {
  channel.WaitForConnected(
      gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_micros(kReconnectMicros, GPR_TIMESPAN)));
}

// gRPC's "failed to connect to all addresses; last error: ...: Connection refused" in short.
absl::string_view Cause(absl::string_view message) {
  if (!absl::StartsWith(message, "failed to connect to all addresses")) return message;
  const size_t colon = message.rfind(": ");
  return colon == absl::string_view::npos ? message : message.substr(colon + 2);
}

}  // namespace

struct PruneClient::Impl {
  explicit Impl(Options given)
      : options(std::move(given)),
        trace_id(NewTraceId(options.random)),
        channel(Connect(options.target)),
        prune(v1::PruneService::NewStub(channel)),
        fleet(v1::FleetService::NewStub(channel)) {}

  // One attempt of one call.
  template <typename Stub, typename Request, typename Response>
  absl::Status CallOnce(Stub& stub, grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                        const Request& request, Response* response) const {
    grpc::ClientContext context;
    context.set_deadline(gpr_time_from_micros(absl::ToInt64Microseconds(options.deadline), GPR_TIMESPAN));
    context.AddMetadata(kTraceparent, MakeTraceparent(trace_id, options.random));
    return Explain(FromGrpc((stub.*method)(&context, request, response)));
  }

  // A call that may be repeated.
  template <typename Stub, typename Request, typename Response>
  absl::StatusOr<Response> Call(Stub& stub,
                                grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                                const Request& request) const {
    Response response;
    RETURN_IF_ERROR(RunWithRetries(options.retry, *options.sleeper, options.random, [&](int number) {
      if (number > 1) Reconnect(*channel);
      return CallOnce(stub, method, request, &response);
    }));
    return response;
  }

  // Names the address where the error came from no server.
  absl::Status Explain(const absl::Status& status) const {
    if (!IsTransient(status) || GetErrorInfo(status)) return status;
    const bool late = status.code() == absl::StatusCode::kDeadlineExceeded;
    return ErrorWithInfo(
        status.code(),
        late ? absl::StrCat("no answer from ", options.target, " within ", absl::FormatDuration(options.deadline))
             : absl::StrCat("no coordinator at ", options.target, ": ", Cause(status.message())),
        {.reason = kServerUnreachable, .metadata = {{"target", options.target}}});
  }

  Options options;
  // All calls of one client are one trace.
  std::string trace_id;
  std::shared_ptr<grpc::Channel> channel;
  std::shared_ptr<v1::PruneService::Stub> prune;
  std::shared_ptr<v1::FleetService::Stub> fleet;
};

PruneClient::PruneClient(Options options) : impl_(std::make_shared<Impl>(std::move(options))) {}
PruneClient::PruneClient(PruneClient&&) noexcept = default;
PruneClient& PruneClient::operator=(PruneClient&&) noexcept = default;
PruneClient::~PruneClient() = default;

const std::string& PruneClient::target() const { return impl_->options.target; }

absl::StatusOr<v1::Job> PruneClient::CreateJob(v1::CreateJobRequest request) {
  if (request.request_id().empty()) request.set_request_id(MakeUuid(impl_->options.random));
  return impl_->Call(*impl_->prune, &v1::PruneService::Stub::CreateJob, request);
}

absl::StatusOr<v1::EstimateJobResponse> PruneClient::EstimateJob(const v1::EstimateJobRequest& request) {
  return impl_->Call(*impl_->prune, &v1::PruneService::Stub::EstimateJob, request);
}

absl::StatusOr<v1::Job> PruneClient::GetJob(absl::string_view name) {
  v1::GetJobRequest request;
  request.set_name(std::string(name));
  return impl_->Call(*impl_->prune, &v1::PruneService::Stub::GetJob, request);
}

absl::StatusOr<v1::ListJobsResponse> PruneClient::ListJobs(absl::string_view filter, int limit) {
  v1::ListJobsResponse all;
  v1::ListJobsRequest request;
  request.set_filter(std::string(filter));
  do {
    request.set_page_size(limit > 0 ? std::min(kLargestPage, limit - all.jobs_size()) : kLargestPage);
    ASSIGN_OR_RETURN(v1::ListJobsResponse page, impl_->Call(*impl_->prune, &v1::PruneService::Stub::ListJobs, request));
    all.mutable_jobs()->MergeFrom(page.jobs());
    all.set_next_page_token(page.next_page_token());
    request.set_page_token(page.next_page_token());
  } while (!all.next_page_token().empty() && (limit <= 0 || all.jobs_size() < limit));
  return all;
}

absl::StatusOr<v1::Job> PruneClient::CancelJob(absl::string_view name) {
  v1::CancelJobRequest request;
  request.set_name(std::string(name));
  return impl_->Call(*impl_->prune, &v1::PruneService::Stub::CancelJob, request);
}

absl::StatusOr<v1::Job> PruneClient::RetryJob(absl::string_view name, bool ignore_gates) {
  v1::RetryJobRequest request;
  request.set_name(std::string(name));
  request.set_ignore_gates(ignore_gates);
  v1::Job job;
  RETURN_IF_ERROR(impl_->CallOnce(*impl_->prune, &v1::PruneService::Stub::RetryJob, request, &job));
  return job;
}

absl::Status PruneClient::DeleteJob(absl::string_view name) {
  v1::DeleteJobRequest request;
  request.set_name(std::string(name));
  return RunWithRetries(impl_->options.retry, *impl_->options.sleeper, impl_->options.random, [&](int number) {
    if (number > 1) Reconnect(*impl_->channel);
    google::protobuf::Empty nothing;
    const absl::Status status = impl_->CallOnce(*impl_->prune, &v1::PruneService::Stub::DeleteJob, request, &nothing);
    // An earlier attempt whose answer was lost has deleted it.
    if (number > 1 && absl::IsNotFound(status)) return absl::OkStatus();
    return status;
  });
}

absl::StatusOr<v1::ListTasksResponse> PruneClient::ListTasks(absl::string_view job) {
  v1::ListTasksResponse all;
  v1::ListTasksRequest request;
  request.set_parent(std::string(job));
  request.set_page_size(kLargestPage);
  do {
    ASSIGN_OR_RETURN(v1::ListTasksResponse page,
                     impl_->Call(*impl_->prune, &v1::PruneService::Stub::ListTasks, request));
    all.mutable_tasks()->MergeFrom(page.tasks());
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return all;
}

absl::StatusOr<v1::Task> PruneClient::GetTask(absl::string_view name) {
  v1::GetTaskRequest request;
  request.set_name(std::string(name));
  return impl_->Call(*impl_->prune, &v1::PruneService::Stub::GetTask, request);
}

absl::StatusOr<v1::ListWorkersResponse> PruneClient::ListWorkers() {
  v1::ListWorkersResponse all;
  v1::ListWorkersRequest request;
  request.set_page_size(kLargestPage);
  do {
    ASSIGN_OR_RETURN(v1::ListWorkersResponse page,
                     impl_->Call(*impl_->fleet, &v1::FleetService::Stub::ListWorkers, request));
    all.mutable_workers()->MergeFrom(page.workers());
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return all;
}

absl::StatusOr<v1::Worker> PruneClient::DrainWorker(absl::string_view name) {
  v1::DrainWorkerRequest request;
  request.set_name(std::string(name));
  return impl_->Call(*impl_->fleet, &v1::FleetService::Stub::DrainWorker, request);
}

absl::StatusOr<v1::Worker> PruneClient::UndrainWorker(absl::string_view name) {
  v1::UndrainWorkerRequest request;
  request.set_name(std::string(name));
  return impl_->Call(*impl_->fleet, &v1::FleetService::Stub::UndrainWorker, request);
}

absl::StatusOr<v1::ListAuditEntriesResponse> PruneClient::ListAuditEntries(absl::string_view resource, int limit) {
  v1::ListAuditEntriesResponse all;
  v1::ListAuditEntriesRequest request;
  request.set_resource(std::string(resource));
  do {
    request.set_page_size(std::min(kLargestPage, limit - all.entries_size()));
    ASSIGN_OR_RETURN(v1::ListAuditEntriesResponse page,
                     impl_->Call(*impl_->fleet, &v1::FleetService::Stub::ListAuditEntries, request));
    all.mutable_entries()->MergeFrom(page.entries());
    all.set_next_page_token(page.next_page_token());
    request.set_page_token(page.next_page_token());
  } while (!all.next_page_token().empty() && all.entries_size() < limit);
  return all;
}

std::unique_ptr<JobWatch> PruneClient::Watch(absl::string_view name, JobWatch::Options options) {
  return std::make_unique<JobWatch>(std::string(name), options,
                                    JobWatch::Environment{.stub = impl_->prune,
                                                          .retry = impl_->options.retry,
                                                          .clock = impl_->options.clock,
                                                          .sleeper = impl_->options.sleeper,
                                                          .random = impl_->options.random,
                                                          .reconnect = [impl = impl_] { Reconnect(*impl->channel); }});
}

}  // namespace besa::client
