// Why an address cannot be listened on: gRPC only says that it cannot.
#pragma once

#include <optional>
#include <string>

namespace besa::server {

// Binds "host:port" for a moment and tells what the system says, for people: "the port is in use". nullopt: nothing is
// wrong.
std::optional<std::string> WhyNotListen(const std::string& address);

}  // namespace besa::server
