// Text from outside: is it UTF-8, and how to show it.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace besa {

// Refuses overlong forms, surrogates and code points past U+10FFFF. Protocol buffers and JSON carry nothing else.
// Source: RFC 3629, section 4.
bool IsUtf8(absl::string_view text);

// Whether UTF-8 text holds any of U+0000 to U+001F and U+007F to U+009F, with which names can fool terminals and logs.
bool HasControlCharacters(absl::string_view text);

// Any bytes as short UTF-8 for messages: at most the first 200 bytes, with escapes for quotes, control characters and,
// in what is not UTF-8, all bytes outside ASCII.
std::string Printable(absl::string_view text);

}  // namespace besa
