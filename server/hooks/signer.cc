#include "server/hooks/signer.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "storage/base/status_macros.h"

namespace besa::server {
namespace {

constexpr absl::string_view kPrefix = "whsec_";
constexpr size_t kShortest = 24;
constexpr size_t kLongest = 64;

std::string HmacSha256(absl::string_view key, absl::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned int size = 0;
  const unsigned char* const made =
      HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(text.data()),
           text.size(), digest.data(), &size);
  // OpenSSL fails here only when it is out of memory or its providers are gone.
  if (made == nullptr) {
    std::fputs("HMAC-SHA-256 is not available from OpenSSL\n", stderr);
    std::abort();
  }
  return std::string(reinterpret_cast<const char*>(digest.data()), size);
}

}  // namespace

absl::StatusOr<Signer> Signer::Parse(absl::string_view text) {
  Signer signer;
  int number = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    ++number;
    line = absl::StripAsciiWhitespace(line);
    if (line.empty() || absl::StartsWith(line, "#")) continue;
    std::string secret;
    if (!absl::ConsumePrefix(&line, kPrefix) || !absl::Base64Unescape(line, &secret) || secret.size() < kShortest ||
        secret.size() > kLongest) {
      return absl::InvalidArgumentError(absl::StrCat("line ", number, " is no secret; expected ", kPrefix,
                                                     " and the base64 of ", kShortest, " to ", kLongest, " bytes"));
    }
    signer.secrets_.push_back(std::move(secret));
  }
  if (signer.empty()) return absl::InvalidArgumentError("there is no secret in it");
  return signer;
}

absl::StatusOr<Signer> Signer::Read(const std::string& path) {
  const auto explain = [&](absl::string_view why) {
    return absl::InvalidArgumentError(absl::StrCat("--hook-secret-file: ", path, ": ", why));
  };
  std::ifstream file(path);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf())) return explain(std::strerror(errno));
  absl::StatusOr<Signer> signer = Parse(text.str());
  if (!signer.ok()) return explain(signer.status().message());
  return signer;
}

std::string Signer::Sign(absl::string_view id, int64_t timestamp, absl::string_view body) const {
  const std::string signed_text = absl::StrCat(id, ".", timestamp, ".", body);
  std::string signatures;
  for (const std::string& secret : secrets_) {
    absl::StrAppend(&signatures, signatures.empty() ? "" : " ", "v1,",
                    absl::Base64Escape(HmacSha256(secret, signed_text)));
  }
  return signatures;
}

}  // namespace besa::server
