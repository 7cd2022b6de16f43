#include "storage/base/utf8.h"

#include <cstddef>
#include <cstdint>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

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

bool HasControlCharacters(absl::string_view text) {
  uint8_t previous = 0;
  for (const char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    if (byte < 0x20 || byte == 0x7F || (previous == 0xC2 && byte >= 0x80 && byte < 0xA0)) return true;
    previous = byte;
  }
  return false;
}

std::string Printable(absl::string_view text) {
  constexpr size_t kLimit = 200;
  const bool cut = text.size() > kLimit;
  if (cut) {
    text = text.substr(0, kLimit);
    // Not in the middle of a character, of which only the last can be incomplete.
    for (size_t back = 1; back <= 3; ++back) {
      const auto byte = static_cast<uint8_t>(text[text.size() - back]);
      if (byte < 0x80) break;
      if (byte >= 0xC0) {
        if (!IsUtf8(text.substr(text.size() - back))) text.remove_suffix(back);
        break;
      }
    }
  }
  const bool keep = IsUtf8(text) && !HasControlCharacters(text);
  return absl::StrCat(keep ? absl::Utf8SafeCHexEscape(text) : absl::CHexEscape(text), cut ? "..." : "");
}

}  // namespace besa
