// Token ids of documents of any length, in bounded memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "worker/text/tokenizer.h"

namespace besa::text {

// A document of up to kPieceBytes is encoded as a whole. A longer one is cut into pieces of at most that size, each cut
// made at the last place in the piece where a space and an ASCII letter follow an ASCII letter or digit, or, should
// there be none, between two characters. No token of a byte-level tokenizer (GPT-2, Llama 3) spans such a place, so the
// ids are those of the whole; a SentencePiece-like one (Llama 2) sets its word mark once more at each cut. Where the
// cuts lie depends on the text alone, not on how it arrives. Not thread-safe.
class DocumentTokenizer {
 public:
  static constexpr size_t kPieceBytes = size_t{1} << 20;

  // `tokenizer` and `ids` must outlive it; ids are appended to `ids`.
  DocumentTokenizer(const Tokenizer& tokenizer, std::vector<int32_t>& ids, size_t piece_bytes = kPieceBytes)
      : tokenizer_(tokenizer), ids_(ids), piece_bytes_(piece_bytes) {}

  absl::Status Append(absl::string_view text);
  // Ends the document and appends `separator`, if there is one.
  absl::Status EndDocument(std::optional<int32_t> separator);

 private:
  const Tokenizer& tokenizer_;
  std::vector<int32_t>& ids_;
  const size_t piece_bytes_;
  std::string pending_;
};

}  // namespace besa::text
