// Calls with one answer that need not wait for anything but the state and the store.
#pragma once

#include <grpcpp/support/server_callback.h>

#include <functional>
#include <utility>

#include "absl/status/statusor.h"
#include "proto/rpc_status.h"
#include "server/api/guarded.h"
#include "server/api/task_pool.h"

namespace besa::server {

// Runs `work` on the pool and finishes the call with its result. gRPC keeps request and response until then, so `work`
// may refer to them.
template <class Response>
grpc::ServerUnaryReactor* Answer(TaskPool& pool, grpc::CallbackServerContext* context, Response* response,
                                 std::function<absl::StatusOr<Response>()> work) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  pool.Post([reactor, response, work = std::move(work)] {
    absl::StatusOr<Response> result = Guarded(work);
    const grpc::Status status = ToGrpc(result.status());
    if (status.ok()) *response = *std::move(result);
    reactor->Finish(status);
  });
  return reactor;
}

}  // namespace besa::server
