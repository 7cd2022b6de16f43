// The one interceptor that every call passes, health checks and reflection too.
//
// It writes a line a call. It is also the place where a later version finds out who calls (from the TLS identity or a
// token in the metadata) and whether they may call this method: it sees method, peer and metadata before any service
// does, and services know nothing of either.
#pragma once

#include <grpcpp/support/server_interceptor.h>

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "storage/base/clock.h"

namespace besa::server {

// What is known of a call when it ends.
struct CallRecord {
  // "/besa.v1.PruneService/CreateJob".
  std::string method;
  // "ipv4:127.0.0.1:53210".
  std::string peer;
  // CANCELLED if the caller went away before there was an answer.
  grpc::StatusCode code = grpc::StatusCode::CANCELLED;
  std::string message;
  absl::Duration latency;
  // Of the caller's trace context; empty if there was none.
  std::string trace_id;
};

// Of a call's metadata; empty if there is none.
std::string FindTraceId(const std::multimap<grpc::string_ref, grpc::string_ref>& metadata);

// Writes the line: calls that change something at info, routine ones (polls, beats, reads) at debug, failures at info,
// failures of our own at error.
void LogCall(const CallRecord& record);

// `on_call` is told of each call when it ends; it may be empty. `clock` must outlive the factory.
class RequestLog final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  explicit RequestLog(const Clock& clock, std::function<void(const CallRecord&)> on_call = {})
      : clock_(clock), on_call_(std::move(on_call)) {}
  grpc::experimental::Interceptor* CreateServerInterceptor(grpc::experimental::ServerRpcInfo* info) override;

 private:
  const Clock& clock_;
  const std::function<void(const CallRecord&)> on_call_;
};

}  // namespace besa::server
