// The one interceptor that every call passes, health checks and reflection too.
//
// It writes a line a call. It is also the place where a later version finds out who calls (from the TLS identity or a
// token in the metadata) and whether they may call this method: it sees method, peer and metadata before any service
// does, and services know nothing of either.
#pragma once

#include <grpcpp/support/server_interceptor.h>

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
};

// Writes the line: calls that change something at info, routine ones (polls, beats, reads) at debug, failures at info,
// failures of our own at error.
void LogCall(const CallRecord& record);

// `clock` must outlive the factory.
class RequestLog final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  explicit RequestLog(const Clock& clock) : clock_(clock) {}
  grpc::experimental::Interceptor* CreateServerInterceptor(grpc::experimental::ServerRpcInfo* info) override;

 private:
  const Clock& clock_;
};

}  // namespace besa::server
