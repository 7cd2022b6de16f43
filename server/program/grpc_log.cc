#include "server/program/grpc_log.h"

#include <grpc/support/log.h>

#include "spdlog/spdlog.h"

namespace besa::server {
namespace {

void FromGrpc(gpr_log_func_args* args) { spdlog::debug("grpc: {}", args->message); }

}  // namespace

void LogGrpc() { gpr_set_log_function(&FromGrpc); }

}  // namespace besa::server
