// SHA-256, streamed.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "absl/strings/string_view.h"

namespace besa {

// Not thread-safe.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  void Update(std::span<const std::byte> bytes);
  void Update(absl::string_view text);
  // Lower-case hexadecimal, 64 characters. Once only.
  std::string Finish();

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

// Of one piece of text.
std::string Sha256Hex(absl::string_view text);

}  // namespace besa
