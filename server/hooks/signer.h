// Signatures of completion hooks, by the Standard Webhooks specification (https://www.standardwebhooks.com), so that
// receivers can check them with a library that exists already.
//
//   webhook-id: <delivery id>
//   webhook-timestamp: <seconds since 1970>
//   webhook-signature: v1,<base64 of HMAC-SHA256(secret, "<id>.<timestamp>.<body>")>, one for each secret, by spaces
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace besa::server {

// Thread-safe.
class Signer {
 public:
  // Without secrets: signs nothing.
  Signer() = default;
  // `text`: a secret a line, "whsec_" and the base64 of 24 to 64 bytes; empty lines and those that begin with # don't
  // count. Two secrets are for a while in which receivers change from one to the other. INVALID_ARGUMENT naming the
  // line; no message holds anything of a secret.
  static absl::StatusOr<Signer> Parse(absl::string_view text);
  // The same of a file.
  static absl::StatusOr<Signer> Read(const std::string& path);

  bool empty() const { return secrets_.empty(); }
  // The value of webhook-signature.
  std::string Sign(absl::string_view id, int64_t timestamp, absl::string_view body) const;

 private:
  std::vector<std::string> secrets_;
};

}  // namespace besa::server
