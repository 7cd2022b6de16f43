#include "storage/object/object_store.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "storage/base/status_macros.h"

namespace besa::storage {

absl::StatusOr<std::string> ReadAll(ObjectStore& store, const Uri& uri, int64_t limit) {
  ASSIGN_OR_RETURN(const ObjectInfo info, store.Stat(uri));
  if (info.size > limit) {
    return absl::ResourceExhaustedError(
        absl::StrCat(uri.ToString(), ": ", info.size, " bytes are more than the ", limit, " bytes allowed here"));
  }
  std::string content(static_cast<size_t>(info.size), '\0');
  RETURN_IF_ERROR(store.ReadRange(uri, 0, std::as_writable_bytes(std::span(content))));
  return content;
}

absl::Status WriteAll(ObjectStore& store, const Uri& uri, absl::string_view content) {
  ASSIGN_OR_RETURN(const auto writer, store.OpenWriter(uri));
  RETURN_IF_ERROR(writer->Write(std::as_bytes(std::span(content.data(), content.size()))));
  return writer->Finish();
}

absl::Status StreamCopy(ObjectStore& from_store, const Uri& from, ObjectStore& to_store, const Uri& to) {
  constexpr int64_t kPiece = 8 << 20;
  ASSIGN_OR_RETURN(const ObjectInfo info, from_store.Stat(from));
  ASSIGN_OR_RETURN(const auto writer, to_store.OpenWriter(to));
  std::vector<std::byte> piece(static_cast<size_t>(std::min(kPiece, info.size)));
  for (int64_t done = 0; done < info.size;) {
    const auto part = std::span(piece).first(static_cast<size_t>(std::min(kPiece, info.size - done)));
    RETURN_IF_ERROR(from_store.ReadRange(from, done, part));
    RETURN_IF_ERROR(writer->Write(part));
    done += static_cast<int64_t>(part.size());
  }
  return writer->Finish();
}

}  // namespace besa::storage
