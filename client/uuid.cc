#include "client/uuid.h"

#include "absl/strings/str_format.h"

namespace besa::client {

std::string MakeUuid(const RandomBits& random) {
  // RFC 9562: the version in the top bits of the third group, the variant "10" in those of the fourth.
  const uint64_t high = (random() & ~uint64_t{0xf000}) | 0x4000;
  const uint64_t low = (random() & ~(uint64_t{3} << 62)) | uint64_t{2} << 62;
  return absl::StrFormat("%08x-%04x-%04x-%04x-%012x", high >> 32, high >> 16 & 0xffff, high & 0xffff, low >> 48,
                         low & 0xffffffffffff);
}

}  // namespace besa::client
