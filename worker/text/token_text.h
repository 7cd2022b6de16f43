// A text as token ids, from any of the files a job may name.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "storage/object/object_store.h"
#include "worker/text/byte_source.h"
#include "worker/text/tokenizer.h"

namespace besa::text {

struct TokenText {
  std::vector<int32_t> ids;
  // Set if the file holds ids: the length of its rows, of which `ids` is a whole number.
  std::optional<int64_t> row_length;
};

struct TextRequest {
  // How the request calls the file in errors: "calibration.uri".
  std::string field;
  std::string uri;
  // Ids must be below it.
  int64_t vocab_size = 0;
  // Appended after each document of a .jsonl file: the model's eos_token_id, if it has one.
  std::optional<int32_t> document_separator;
  // May be empty.
  ReadProgress progress;
};

// Whether reading the file takes a tokenizer: not if it holds ids.
bool NeedsTokenizer(absl::string_view uri);

// The ids of
//   *.txt          the text as it is, one document
//   *.jsonl        one JSON object a line, field "text"; each document's ids are followed by document_separator
//   *.safetensors  "input_ids", I32, I64 or U16, [rows, length]
// the first two also .gz, .xz or .zst. `tokenizer` may be null if NeedsTokenizer says so.
// INVALID_ARGUMENT names the field and the file, and for .jsonl the line: no such file, another ending, data that is
// corrupt or ends too soon, text that is not UTF-8, ids outside the vocabulary, more than 8 GiB of text.
// CANCELLED if `progress` says so.
absl::StatusOr<TokenText> ReadTokenText(storage::ObjectStore& store, const TextRequest& request,
                                        const Tokenizer* tokenizer);

}  // namespace besa::text
