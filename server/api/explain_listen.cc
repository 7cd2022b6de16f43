#include "server/api/explain_listen.h"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace besa::server {

std::optional<std::string> WhyNotListen(const std::string& address) {
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos || colon + 1 == address.size()) return "expected HOST:PORT, such as 127.0.0.1:7600";
  std::string host = address.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);

  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  if (const int error = getaddrinfo(host.c_str(), address.substr(colon + 1).c_str(), &hints, &found); error != 0) {
    return gai_strerror(error);
  }
  std::optional<std::string> reason;
  const int socket_fd = socket(found->ai_family, found->ai_socktype, found->ai_protocol);
  if (socket_fd < 0) {
    reason = std::strerror(errno);
  } else {
    const int on = 1;
    setsockopt(socket_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(socket_fd, found->ai_addr, found->ai_addrlen) != 0 || listen(socket_fd, 1) != 0) {
      reason = errno == EADDRINUSE ? "the port is in use" : std::strerror(errno);
    }
    close(socket_fd);
  }
  freeaddrinfo(found);
  return reason;
}

}  // namespace besa::server
