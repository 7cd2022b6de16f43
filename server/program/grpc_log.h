// gRPC's own messages.
#pragma once

namespace besa::server {

// From now on they appear in the log, at debug.
void LogGrpc();

}  // namespace besa::server
