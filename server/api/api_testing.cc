#include "server/api/api_testing.h"

#include <grpcpp/create_channel.h>

#include <algorithm>
#include <chrono>
#include <stdexcept>

#include "absl/strings/str_cat.h"
#include "proto/rpc_status.h"
#include "server/testing/scripted_task.h"
#include "server/testing/tiny_checkpoint.h"
#include "storage/object/open_store.h"

namespace besa::server::testing {
namespace {

void Must(const grpc::Status& status) {
  if (!status.ok()) throw std::runtime_error(absl::StrCat("call failed: ", status.error_message()));
}

template <class T>
T Must(absl::StatusOr<T> value) {
  if (!value.ok()) throw std::runtime_error(value.status().ToString());
  return *std::move(value);
}

}  // namespace

TestService::TestService() {
  store_ = Must(storage::OpenStore({.allowed_prefixes = {folder_.path().string()}}));
  WriteTinyCheckpoint(*store_, folder_ / "model");
  WriteFile(folder_.path() / "text.txt", std::string(1000, 'x'));
  Start();
}

TestService::~TestService() = default;

void TestService::Start() {
  const Clock& clock = Clock::Real();
  state_ = Must(SqliteStateStore::Open({.path = (folder_.path() / "state.sqlite").string()}, clock));
  notifier_ = std::make_unique<ChangeNotifier>();
  coordinator_ = std::make_unique<Coordinator>(
      *state_, *notifier_, clock, RandomJobId,
      // Every beat is stored, so that what is
      // shown of them is up to the watch.
      SchedulerOptions{.workspace_uri = workspace().ToString(), .progress_interval = absl::ZeroDuration()});
  publisher_ = std::make_unique<Publisher>(*coordinator_, *store_, clock,
                                           Publisher::Options{.id = RandomJobId(), .besa_version = "0.1.0"});
  const auto on_call = [this](const CallRecord& call) {
    const std::lock_guard lock(calls_mutex_);
    calls_.push_back(call);
    call_ended_.notify_all();
  };
  server_ = Must(RpcServer::Start(
      {.listen = "127.0.0.1:0", .workspace = workspace(), .quick_threads = 2, .slow_threads = 1, .on_call = on_call},
      *coordinator_, *notifier_, *store_, clock));
  channel_ = grpc::CreateChannel(server_->address(), grpc::InsecureChannelCredentials());
  prune_ = v1::PruneService::NewStub(channel_);
  worker_ = v1::WorkerService::NewStub(channel_);
  fleet_ = v1::FleetService::NewStub(channel_);
}

void TestService::Restart() {
  server_.reset();
  publisher_.reset();
  coordinator_.reset();
  notifier_.reset();
  state_.reset();
  Start();
}

v1::CreateJobRequest TestService::Request(const std::string& output) {
  v1::CreateJobRequest request;
  v1::JobSpec& spec = *request.mutable_job()->mutable_spec();
  spec.set_model_uri((folder_ / "model").ToString());
  spec.set_output_uri((folder_ / output).ToString());
  spec.set_sparsity(0.5);
  spec.mutable_calibration()->add_uris((folder_ / "text.txt").ToString());
  spec.mutable_calibration()->set_samples(4);
  spec.add_evaluations()->add_uris((folder_ / "text.txt").ToString());
  return request;
}

v1::Job TestService::CreateJob(const v1::CreateJobRequest& request) {
  v1::Job job;
  Call call;
  Must(prune_->CreateJob(&call, request, &job));
  return job;
}

v1::Job TestService::GetJob(const std::string& name) {
  v1::GetJobRequest request;
  request.set_name(name);
  v1::Job job;
  Call call;
  Must(prune_->GetJob(&call, request, &job));
  return job;
}

void TestService::Register(const std::string& name) {
  v1::RegisterWorkerRequest request;
  request.set_protocol_version(v1::PROTOCOL_VERSION_1);
  request.mutable_worker()->set_name("workers/" + name);
  request.mutable_worker()->set_incarnation(name + "-1");
  request.mutable_worker()->mutable_device()->set_id("cpu");
  request.mutable_worker()->mutable_device()->set_memory_bytes(int64_t{1} << 30);
  v1::RegisterWorkerResponse response;
  Call call;
  Must(worker_->RegisterWorker(&call, request, &response));
}

v1::LeaseTaskRequest TestService::LeaseRequest(const std::string& name, int wait_ms) {
  v1::LeaseTaskRequest request;
  request.set_worker("workers/" + name);
  request.set_incarnation(name + "-1");
  request.set_request_id(absl::StrCat("wish-", ++next_request_));
  request.mutable_wait()->set_seconds(wait_ms / 1000);
  request.mutable_wait()->set_nanos(wait_ms % 1000 * 1'000'000);
  return request;
}

std::optional<v1::Assignment> TestService::Lease(const std::string& name) {
  v1::LeaseTaskResponse response;
  Call call;
  Must(worker_->LeaseTask(&call, LeaseRequest(name), &response));
  if (!response.has_assignment()) return std::nullopt;
  return response.assignment();
}

grpc::Status TestService::Commit(const std::string& name, const v1::Assignment& assignment) {
  v1::CommitTaskRequest request;
  request.set_worker("workers/" + name);
  request.set_incarnation(name + "-1");
  *request.mutable_lease() = assignment.lease();
  *request.mutable_result() = RunScriptedTask(*store_, assignment);
  v1::CommitTaskResponse response;
  Call call;
  return worker_->CommitTask(&call, request, &response);
}

grpc::Status TestService::Fail(const std::string& name, const v1::Assignment& assignment, v1::FailureReason reason) {
  v1::FailTaskRequest request;
  request.set_worker("workers/" + name);
  request.set_incarnation(name + "-1");
  *request.mutable_lease() = assignment.lease();
  request.set_reason(reason);
  request.set_message("block 0: self_attn.q_proj holds NaN");
  v1::FailTaskResponse response;
  Call call;
  return worker_->FailTask(&call, request, &response);
}

int TestService::WorkOff(const std::string& name) {
  int tasks = 0;
  while (const auto assignment = Lease(name)) {
    Must(Commit(name, *assignment));
    ++tasks;
  }
  return tasks;
}

bool TestService::WaitForEnd(std::string_view method, grpc::StatusCode code) {
  std::unique_lock lock(calls_mutex_);
  return call_ended_.wait_for(lock, std::chrono::seconds(10), [&] {
    return std::any_of(calls_.begin(), calls_.end(), [&](const CallRecord& call) {
      return call.code == code && call.method.ends_with("/" + std::string(method));
    });
  });
}

Call::Call() { set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10)); }

ErrorInfo InfoOf(const grpc::Status& status) { return GetErrorInfo(FromGrpc(status)).value_or(ErrorInfo{}); }

}  // namespace besa::server::testing
