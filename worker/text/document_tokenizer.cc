#include "worker/text/document_tokenizer.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "storage/base/status_macros.h"

namespace besa::text {
namespace {

bool IsLetter(char c) { return absl::ascii_isalpha(static_cast<unsigned char>(c)); }
bool IsLetterOrDigit(char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)); }

// Where to cut `text`, which has limit + 1 bytes: a position in (0, limit].
size_t CutPosition(absl::string_view text, size_t limit) {
  for (size_t i = limit - 1; i > 0; --i) {
    if (IsLetterOrDigit(text[i - 1]) && text[i] == ' ' && IsLetter(text[i + 1])) return i;
  }
  size_t i = limit;
  while (i > 0 && (static_cast<unsigned char>(text[i]) & 0xC0) == 0x80) --i;
  return i > 0 ? i : limit;
}

}  // namespace

absl::Status DocumentTokenizer::Append(absl::string_view text) {
  while (!text.empty()) {
    // One byte more than a piece, to know whether the document ends with it.
    const size_t taken = std::min(text.size(), piece_bytes_ + 1 - pending_.size());
    pending_.append(text.data(), taken);
    text.remove_prefix(taken);
    if (pending_.size() <= piece_bytes_) continue;
    const size_t cut = CutPosition(pending_, piece_bytes_);
    RETURN_IF_ERROR(tokenizer_.Encode(absl::string_view(pending_).substr(0, cut), ids_));
    pending_.erase(0, cut);
  }
  return absl::OkStatus();
}

absl::Status DocumentTokenizer::EndDocument(std::optional<int32_t> separator) {
  if (!pending_.empty()) RETURN_IF_ERROR(tokenizer_.Encode(pending_, ids_));
  pending_.clear();
  if (separator) ids_.push_back(*separator);
  return absl::OkStatus();
}

}  // namespace besa::text
