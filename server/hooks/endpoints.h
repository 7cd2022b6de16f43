// Which addresses completion hooks may have.
//
// Whoever may create a job chooses the address, and the coordinator calls it from where it stands: inside the network,
// perhaps beside services that trust whoever can reach them. So it calls nothing but what it was started with
// permission for.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace besa::server {

// Thread-safe.
class Endpoints {
 public:
  // Allows none.
  Endpoints() = default;
  // Allows what lies within one of `prefixes`: the same scheme, host and port, and a path that is the prefix's or goes
  // on from it behind a slash. INVALID_ARGUMENT for a prefix that is no such address.
  static absl::StatusOr<Endpoints> Allow(const std::vector<std::string>& prefixes);

  // The address as it will be called. INVALID_ARGUMENT if it is none: http:// or https:// with a host, in ASCII,
  // without user name, fragment and dot segments. PERMISSION_DENIED (HOOK_NOT_ALLOWED) if it is not allowed.
  absl::StatusOr<std::string> Check(absl::string_view uri) const;

  bool empty() const { return prefixes_.empty(); }

 private:
  struct Address {
    // "https", "hooks.example.com", "443": lower case, the default port spelled out.
    std::string scheme;
    std::string host;
    std::string port;
    // At least "/".
    std::string path;
    std::string query;
    // All of it.
    std::string uri;
  };

  static absl::StatusOr<Address> Parse(absl::string_view field, absl::string_view uri);
  static bool IsWithin(const Address& address, const Address& prefix);

  std::vector<Address> prefixes_;
};

}  // namespace besa::server
