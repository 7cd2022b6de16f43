// Which files beside the weights belong to a published checkpoint.
#pragma once

#include "absl/strings/string_view.h"

namespace besa::storage {

// `path` is relative to the checkpoint's folder. An allow-list: config.json, tokenizers, generation config, chat
// templates, licences, notices and readmes. Never pickles, code, or weights in any format.
bool IsCompanion(absl::string_view path);

}  // namespace besa::storage
