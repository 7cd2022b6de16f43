// Documents of .txt and .jsonl streams.
#pragma once

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "worker/text/byte_source.h"
#include "worker/text/decompress.h"
#include "worker/text/document_tokenizer.h"

namespace besa::text {

enum class Format { kText, kJsonLines, kParquet, kTokenIds };

struct FileType {
  Format format = Format::kText;
  Compression compression = Compression::kNone;
};

// By the ending of the file's name; nothing for an ending that is not ours.
std::optional<FileType> FileTypeOf(absl::string_view name);

// Feeds `out` with the whole stream as one document.
absl::Status ReadPlainText(ByteSource& source, absl::string_view file, std::optional<int32_t> separator,
                           DocumentTokenizer& out);

// Feeds `out` with the field "text" of each line's object; blank lines are passed over. INVALID_ARGUMENT names file and
// line. A line may have 64 MiB.
absl::Status ReadJsonLines(ByteSource& source, absl::string_view file, std::optional<int32_t> separator,
                           DocumentTokenizer& out);

}  // namespace besa::text
