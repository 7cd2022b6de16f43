// The JSON of a safetensors header, read strictly and without trusting it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace besa::storage {

// One entry as it stands in the JSON; nothing is checked against sizes yet.
struct RawTensor {
  std::string dtype;
  std::vector<int64_t> shape;
  // Bytes from the end of the header.
  int64_t begin = 0;
  int64_t end = 0;
};

struct RawHeader {
  std::map<std::string, RawTensor> tensors;
  std::map<std::string, std::string> metadata;
};

// Streams through the text, so that neither depth nor size of the JSON costs more memory than the entries do.
// INVALID_ARGUMENT, naming the tensor where there is one, for text that is not JSON or not UTF-8, duplicate names,
// missing or unknown members, and numbers that are not integers from 0 to 2^63 - 1.
absl::StatusOr<RawHeader> ParseHeaderJson(absl::string_view json);

// `text` as a JSON string, quotes included. INVALID_ARGUMENT if it is not UTF-8.
absl::StatusOr<std::string> QuoteJson(absl::string_view text);

}  // namespace besa::storage
