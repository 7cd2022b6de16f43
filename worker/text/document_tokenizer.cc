#include "worker/text/document_tokenizer.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "storage/base/status_macros.h"
#include "storage/base/utf8.h"

namespace besa::text {
namespace {

// Below it a thread costs more than it saves.
constexpr size_t kLongPiece = size_t{1} << 16;

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
    RETURN_IF_ERROR(Encode(pending_.substr(0, cut)));
    pending_.erase(0, cut);
  }
  return absl::OkStatus();
}

absl::Status DocumentTokenizer::EndDocument(std::optional<int32_t> separator) {
  if (!pending_.empty()) RETURN_IF_ERROR(Encode(std::exchange(pending_, {})));
  if (!separator) return absl::OkStatus();
  if (encoding_.empty()) {
    ids_.push_back(*separator);
  } else {
    std::promise<Ids> ready;
    ready.set_value(std::vector<int32_t>{*separator});
    encoding_.push_back(ready.get_future());
  }
  return absl::OkStatus();
}

absl::Status DocumentTokenizer::Encode(std::string piece) {
  // What cannot be encoded is told while it is known where it came from.
  if (threads_ <= 1 || piece.size() < std::min(kLongPiece, piece_bytes_ / 2) || !IsUtf8(piece)) {
    RETURN_IF_ERROR(TakeAll(0));
    return tokenizer_.Encode(piece, ids_);
  }
  RETURN_IF_ERROR(TakeAll(threads_ - 1));
  encoding_.push_back(std::async(std::launch::async, [this, piece = std::move(piece)]() -> Ids {
    std::vector<int32_t> ids;
    RETURN_IF_ERROR(tokenizer_.Encode(piece, ids));
    return ids;
  }));
  return absl::OkStatus();
}

absl::Status DocumentTokenizer::TakeAll(size_t left) {
  while (encoding_.size() > left) {
    ASSIGN_OR_RETURN(const std::vector<int32_t> ids, encoding_.front().get());
    encoding_.pop_front();
    ids_.insert(ids_.end(), ids.begin(), ids.end());
  }
  return absl::OkStatus();
}

}  // namespace besa::text
