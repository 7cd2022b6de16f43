// A text as token ids, from the files that a job names.
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
  // How the request calls the files in errors: "calibration.uris".
  std::string field;
  // Read in this order.
  std::vector<std::string> uris;
  // Ids must be below it.
  int64_t vocab_size = 0;
  // Appended after each document, see below: the model's eos_token_id, if it has one.
  std::optional<int32_t> document_separator;
  // May be empty.
  ReadProgress progress;
  // For encoding text; the ids do not depend on it.
  int threads = 1;
};

// Whether reading the file takes a tokenizer: not if it holds ids.
bool NeedsTokenizer(absl::string_view uri);

// The ids of the files, one after the other:
//   *.txt          the text as it is, one document, followed by document_separator only if another file follows
//   *.jsonl        one JSON object a line, field "text"; each document's ids are followed by document_separator
//   *.parquet      column "text"; each document's ids are followed by document_separator
//   *.safetensors  "input_ids", I32, I64 or U16, [rows, length]; not beside files of other kinds or other lengths
// the first two also .gz, .xz or .zst. `tokenizer` may be null if no file needs one.
// INVALID_ARGUMENT names the field and the file, and line or row where there is one: no such file, another ending, data
// that is corrupt or ends too soon, text that is not UTF-8, ids outside the vocabulary, more than 8 GiB in a file, more
// than 2^31 tokens in all. CANCELLED if `progress`, which hears of the bytes of all files together, says so.
absl::StatusOr<TokenText> ReadTokenText(storage::ObjectStore& store, const TextRequest& request,
                                        const Tokenizer* tokenizer);

// "/data/a.txt", "/data/a.txt and 3 more".
std::string DescribeFiles(const std::vector<std::string>& uris);

}  // namespace besa::text
