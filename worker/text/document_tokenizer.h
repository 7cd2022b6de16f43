// Token ids of documents of any length, in bounded memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <future>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "worker/text/tokenizer.h"

namespace besa::text {

// A document of up to kPieceBytes is encoded as a whole. A longer one is cut into pieces of at most that size, each cut
// made at the last place in the piece where a space and an ASCII letter follow an ASCII letter or digit, or, should
// there be none, between two characters. No token of a byte-level tokenizer (GPT-2, Llama 3) spans such a place, so the
// ids are those of the whole; a SentencePiece-like one (Llama 2) sets its word mark once more at each cut. Where the
// cuts lie depends on the text alone, not on how it arrives.
//
// Long pieces are encoded side by side, `threads` of them at most; the ids are the same. Not thread-safe.
class DocumentTokenizer {
 public:
  static constexpr size_t kPieceBytes = size_t{1} << 20;

  // `tokenizer` and `ids` must outlive it; ids are appended to `ids`.
  DocumentTokenizer(const Tokenizer& tokenizer, std::vector<int32_t>& ids, int threads = 1,
                    size_t piece_bytes = kPieceBytes)
      : tokenizer_(tokenizer), ids_(ids), threads_(static_cast<size_t>(threads)), piece_bytes_(piece_bytes) {}

  // Errors may come with a later call than the one that brought the text.
  absl::Status Append(absl::string_view text);
  // Ends the document and appends `separator`, if there is one.
  absl::Status EndDocument(std::optional<int32_t> separator);
  // After the last document: only then are all ids there.
  absl::Status Finish() { return TakeAll(0); }

 private:
  using Ids = absl::StatusOr<std::vector<int32_t>>;

  absl::Status Encode(std::string piece);
  // Appends what was begun first, until only `left` pieces are still being encoded.
  absl::Status TakeAll(size_t left);

  const Tokenizer& tokenizer_;
  std::vector<int32_t>& ids_;
  const size_t threads_;
  const size_t piece_bytes_;
  std::string pending_;
  // In the order of the text.
  std::deque<std::future<Ids>> encoding_;
};

}  // namespace besa::text
