// One HTTP POST, with libcurl.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace besa::server {

struct HttpRequest {
  // http:// or https://.
  std::string uri;
  // "name: value".
  std::vector<std::string> headers;
  std::string body;
  // For all of it.
  absl::Duration timeout = absl::Seconds(10);
};

struct HttpAnswer {
  int status = 0;
  // The beginning of the body.
  std::string text;
  // Where a 3xx would lead.
  std::string location;
};

// Whatever the status, an answer is OK. UNAVAILABLE with a reason for people if none came: no connection, a timeout, a
// certificate that does not hold.
using HttpPost = std::function<absl::StatusOr<HttpAnswer>(const HttpRequest&)>;

// The real one. Certificates are checked against the system's. Redirects are not followed. The environment's proxies
// (https_proxy, http_proxy, no_proxy) are used. Thread-safe.
absl::StatusOr<HttpAnswer> PostWithCurl(const HttpRequest& request);

}  // namespace besa::server
