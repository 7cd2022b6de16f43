// Who makes a call, for the audit.
#pragma once

#include <grpcpp/server_context.h>

#include "server/scheduler/coordinator.h"

namespace besa::server {

inline Coordinator::Caller CallerOf(const grpc::CallbackServerContext& context) { return {.address = context.peer()}; }

}  // namespace besa::server
