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

// What was asked for, and how the request calls it in errors: "calibration" or "evaluations[0]".
struct WindowRequest {
  std::string name;
  // The text's files, see DescribeFiles.
  std::string files;
  int64_t count = 0;
  int64_t length = 0;
  // Evaluation: tokens from the start of a window to that of the next, 1 to length; 0 means length.
  int64_t stride = 0;
};

// Calibration: `count` windows whose starts are drawn uniformly and independently (they may overlap) from all places
// where a whole window fits, by SplitMix64(seed), in the order drawn (docs/worker.md says it in full). Of a file of
// token ids: its first `count` rows, no drawing. INVALID_ARGUMENT naming <name>.uris if the text is shorter than a
// window, or <name>.samples or <name>.sequence_length if rows do not fit the request.
absl::StatusOr<Windows> DrawWindows(const TokenText& text, const WindowRequest& request, uint64_t seed);

// Evaluation: the first `count` windows, each `stride` tokens after the one before; 0 means as many whole ones as there
// are. Of a file of token ids: its first rows. Errors as above, with <name>.windows for a text that has fewer, and
// <name>.stride for one that rows of ids do not allow.
absl::StatusOr<Windows> FirstWindows(const TokenText& text, const WindowRequest& request);

// SHA-256 of ids as int32, little endian, in order; lower-case hexadecimal.
std::string IdsSha256(std::span<const int32_t> ids);

}  // namespace besa::text
