// Whether bytes are UTF-8: protocol buffers and JSON carry nothing else.
#pragma once

#include "absl/strings/string_view.h"

namespace besa {

// Refuses overlong forms, surrogates and code points past U+10FFFF. Source: RFC 3629, section 4.
bool IsUtf8(absl::string_view text);

}  // namespace besa
