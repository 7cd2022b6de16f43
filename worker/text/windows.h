// Windows of token ids: what calibration and evaluation feed to the model.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "worker/text/token_text.h"

namespace besa::text {

// Token ids, row-major [count, length].
struct Windows {
  int64_t count = 0;
  int64_t length = 0;
  std::vector<int32_t> ids;
};

// What was asked for, and how the request calls it in errors: "calibration" or "evaluation".
struct WindowRequest {
  std::string name;
  std::string uri;
  int64_t count = 0;
  int64_t length = 0;
};

// Calibration: `count` windows whose starts are drawn uniformly and independently (they may overlap) from all places
// where a whole window fits, by SplitMix64(seed), in the order drawn. Of a file of token ids: its first `count` rows,
// no drawing. INVALID_ARGUMENT naming <name>.uri if the text is shorter than a window, or <name>.samples or
// <name>.sequence_length if rows do not fit the request.
absl::StatusOr<Windows> DrawWindows(const TokenText& text, const WindowRequest& request, uint64_t seed);

// Evaluation: the first `count` consecutive windows that do not overlap; 0 means as many as there are. Of a file of
// token ids: its first rows. Errors as above, with <name>.windows for a text that has fewer.
absl::StatusOr<Windows> FirstWindows(const TokenText& text, const WindowRequest& request);

// SHA-256 of ids as int32, little endian, in order; lower-case hexadecimal.
std::string IdsSha256(std::span<const int32_t> ids);

}  // namespace besa::text
