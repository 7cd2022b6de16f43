// Where the program's log goes and what its lines look like.
#pragma once

#include <string>

namespace besa::server {

// To standard error from now on. `level`: "debug", "info", "warning" or "error". `format`: "text", or "json" for one
// object a line with time, level and message. gRPC's own messages appear at debug.
void SetUpLogging(const std::string& level, const std::string& format);

}  // namespace besa::server
