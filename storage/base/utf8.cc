#include "storage/base/utf8.h"

#include <cstddef>
#include <cstdint>

namespace besa {

bool IsUtf8(absl::string_view text) {
  size_t i = 0;
  while (i < text.size()) {
    const auto lead = static_cast<uint8_t>(text[i++]);
    if (lead < 0x80) continue;
    size_t rest = 0;
    // The second byte's range is what rules out overlong forms, surrogates and values past the last code point.
    uint8_t low = 0x80;
    uint8_t high = 0xBF;
    if (lead >= 0xC2 && lead <= 0xDF) {
      rest = 1;
    } else if (lead >= 0xE0 && lead <= 0xEF) {
      rest = 2;
      if (lead == 0xE0) low = 0xA0;
      if (lead == 0xED) high = 0x9F;
    } else if (lead >= 0xF0 && lead <= 0xF4) {
      rest = 3;
      if (lead == 0xF0) low = 0x90;
      if (lead == 0xF4) high = 0x8F;
    } else {
      return false;
    }
    if (text.size() - i < rest) return false;
    for (; rest > 0; --rest, ++i) {
      const auto next = static_cast<uint8_t>(text[i]);
      if (next < low || next > high) return false;
      low = 0x80;
      high = 0xBF;
    }
  }
  return true;
}

}  // namespace besa
