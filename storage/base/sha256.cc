#include "storage/base/sha256.h"

#include <openssl/evp.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace besa {
namespace {

// OpenSSL fails here only when it is out of memory or its providers are gone: nothing a caller could mend, and going on
// would record a wrong hash.
void Require(bool ok) {
  if (ok) return;
  std::fputs("SHA-256 is not available from OpenSSL\n", stderr);
  std::abort();
}

}  // namespace

struct Sha256::Context {
  Context() : digest(EVP_MD_CTX_new()) { Require(digest && EVP_DigestInit_ex(digest, EVP_sha256(), nullptr) == 1); }
  ~Context() { EVP_MD_CTX_free(digest); }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  EVP_MD_CTX* digest;
};

Sha256::Sha256() : context_(std::make_unique<Context>()) {}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::Update(std::span<const std::byte> bytes) {
  Require(EVP_DigestUpdate(context_->digest, bytes.data(), bytes.size()) == 1);
}

void Sha256::Update(absl::string_view text) { Update(std::as_bytes(std::span(text.data(), text.size()))); }

std::string Sha256::Finish() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned int size = 0;
  Require(EVP_DigestFinal_ex(context_->digest, digest.data(), &size) == 1);
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(2 * size);
  for (unsigned int i = 0; i < size; ++i) {
    text.push_back(kDigits[digest[i] >> 4]);
    text.push_back(kDigits[digest[i] & 15]);
  }
  return text;
}

std::string Sha256Hex(absl::string_view text) {
  Sha256 hash;
  hash.Update(text);
  return hash.Finish();
}

}  // namespace besa
