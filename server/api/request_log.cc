#include "server/api/request_log.h"

#include <grpcpp/server_context.h>

#include <algorithm>
#include <array>
#include <map>
#include <string_view>

#include "spdlog/spdlog.h"
#include "telemetry/log_context.h"
#include "telemetry/trace.h"

namespace besa::server {
namespace {

using grpc::StatusCode;
using grpc::experimental::InterceptionHookPoints;

const char* CodeName(StatusCode code) {
  constexpr std::array kNames = {
      "OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
      "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
      "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
      "DATA_LOSS", "UNAUTHENTICATED"};
  const auto index = static_cast<size_t>(code);
  return index < kNames.size() ? kNames[index] : "UNKNOWN";
}

bool IsRoutine(std::string_view method) {
  constexpr std::array<std::string_view, 6> kRoutine = {"Get", "List", "Watch", "Lease", "Heartbeat", "Check"};
  const std::string_view name = method.substr(method.rfind('/') + 1);
  return name == "ServerReflectionInfo" || std::any_of(kRoutine.begin(), kRoutine.end(), [&](std::string_view prefix) {
           return name.starts_with(prefix);
         });
}

spdlog::level::level_enum LevelOf(const CallRecord& record) {
  switch (record.code) {
    case StatusCode::OK:
    case StatusCode::CANCELLED:
      return IsRoutine(record.method) ? spdlog::level::debug : spdlog::level::info;
    case StatusCode::INTERNAL:
    case StatusCode::UNKNOWN:
    case StatusCode::DATA_LOSS:
      return spdlog::level::err;
    default:
      return spdlog::level::info;
  }
}

class CallLogger final : public grpc::experimental::Interceptor {
 public:
  CallLogger(const Clock& clock, const std::function<void(const CallRecord&)>& on_call,
             grpc::experimental::ServerRpcInfo* info)
      : clock_(clock), on_call_(on_call), began_(clock.Steady()) {
    record_.method = info->method();
    record_.peer = info->server_context()->peer();
  }

  // The end of the call, however it came.
  ~CallLogger() override {
    record_.latency = clock_.Steady() - began_;
    LogCall(record_);
    if (on_call_) on_call_(record_);
  }

  void Intercept(grpc::experimental::InterceptorBatchMethods* batch) override {
    if (batch->QueryInterceptionHookPoint(InterceptionHookPoints::POST_RECV_INITIAL_METADATA)) {
      record_.trace_id = FindTraceId(*batch->GetRecvInitialMetadata());
    }
    if (batch->QueryInterceptionHookPoint(InterceptionHookPoints::PRE_SEND_STATUS)) {
      const grpc::Status status = batch->GetSendStatus();
      record_.code = status.error_code();
      record_.message = status.error_message();
    }
    batch->Proceed();
  }

 private:
  const Clock& clock_;
  const std::function<void(const CallRecord&)>& on_call_;
  const absl::Duration began_;
  CallRecord record_;
};

}  // namespace

std::string FindTraceId(const std::multimap<grpc::string_ref, grpc::string_ref>& metadata) {
  const auto found = metadata.find(kTraceparent);
  return found == metadata.end() ? "" : TraceIdOf({found->second.data(), found->second.size()});
}

void LogCall(const CallRecord& record) {
  LogFields fields;
  if (!record.trace_id.empty()) fields.emplace_back("trace", record.trace_id);
  const ScopedLogFields scope(fields);
  const double milliseconds = absl::ToDoubleMilliseconds(record.latency);
  if (record.message.empty()) {
    spdlog::log(LevelOf(record), "{} {} {:.1f} ms {}", record.method, CodeName(record.code), milliseconds, record.peer);
  } else {
    spdlog::log(LevelOf(record), "{} {} {:.1f} ms {}: {}", record.method, CodeName(record.code), milliseconds,
                record.peer, record.message);
  }
}

grpc::experimental::Interceptor* RequestLog::CreateServerInterceptor(grpc::experimental::ServerRpcInfo* info) {
  return new CallLogger(clock_, on_call_, info);
}

}  // namespace besa::server
