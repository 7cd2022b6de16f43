#include "worker/text/windows.h"

#include <bit>

#include "absl/strings/str_cat.h"
#include "storage/base/error_info.h"
#include "storage/base/sha256.h"
#include "storage/base/status_macros.h"
#include "worker/text/random.h"

namespace besa::text {
namespace {

absl::Status CheckRows(const TokenText& text, const WindowRequest& request, absl::string_view count_field) {
  if (*text.row_length != request.length) {
    return FieldError(absl::StrCat(request.name, ".sequence_length"), absl::StrCat(request.length),
                      absl::StrCat(*text.row_length, ", the length of the rows of ", request.files));
  }
  const int64_t rows = static_cast<int64_t>(text.ids.size()) / *text.row_length;
  if (rows < request.count) {
    return FieldError(absl::StrCat(request.name, ".", count_field), absl::StrCat(request.count),
                      absl::StrCat("at most ", rows, ", the rows of ", request.files));
  }
  return absl::OkStatus();
}

absl::Status CheckLongEnough(const TokenText& text, const WindowRequest& request) {
  if (static_cast<int64_t>(text.ids.size()) >= request.length) return absl::OkStatus();
  return FieldError(absl::StrCat(request.name, ".uris"), absl::StrCat(request.files, " (", text.ids.size(), " tokens)"),
                    absl::StrCat("a text of at least one window of ", request.length, " tokens"));
}

Windows Head(const TokenText& text, int64_t count, int64_t length) {
  return Windows{.count = count, .length = length, .ids = {text.ids.begin(), text.ids.begin() + count * length}};
}

}  // namespace

absl::StatusOr<Windows> DrawWindows(const TokenText& text, const WindowRequest& request, uint64_t seed) {
  if (text.row_length) {
    RETURN_IF_ERROR(CheckRows(text, request, "samples"));
    return Head(text, request.count, request.length);
  }
  RETURN_IF_ERROR(CheckLongEnough(text, request));
  Windows windows{.count = request.count, .length = request.length};
  windows.ids.reserve(static_cast<size_t>(request.count * request.length));
  const uint64_t starts = text.ids.size() - static_cast<uint64_t>(request.length) + 1;
  SplitMix64 random(seed);
  for (int64_t i = 0; i < request.count; ++i) {
    const auto begin = text.ids.begin() + static_cast<int64_t>(random.Below(starts));
    windows.ids.insert(windows.ids.end(), begin, begin + request.length);
  }
  return windows;
}

absl::StatusOr<Windows> FirstWindows(const TokenText& text, const WindowRequest& request) {
  const int64_t stride = request.stride == 0 ? request.length : request.stride;
  if (stride < 1 || stride > request.length) {
    return FieldError(absl::StrCat(request.name, ".stride"), absl::StrCat(stride),
                      absl::StrCat("1 to ", request.length, ", the tokens of a window"));
  }
  if (text.row_length) {
    RETURN_IF_ERROR(CheckRows(text, request, "windows"));
    if (stride != request.length) {
      return FieldError(absl::StrCat(request.name, ".stride"), absl::StrCat(stride),
                        absl::StrCat(request.length, ", as rows of token ids do not overlap"));
    }
  } else {
    RETURN_IF_ERROR(CheckLongEnough(text, request));
  }
  const int64_t available = (static_cast<int64_t>(text.ids.size()) - request.length) / stride + 1;
  if (available < request.count) {
    return FieldError(absl::StrCat(request.name, ".windows"), absl::StrCat(request.count),
                      absl::StrCat("at most ", available, ", the windows of ", request.length, " tokens, ", stride,
                                   " apart, in ", request.files, " (", text.ids.size(), " tokens)"));
  }
  Windows windows{.count = request.count == 0 ? available : request.count, .length = request.length};
  windows.ids.reserve(static_cast<size_t>(windows.count * windows.length));
  for (int64_t i = 0; i < windows.count; ++i) {
    const auto begin = text.ids.begin() + i * stride;
    windows.ids.insert(windows.ids.end(), begin, begin + request.length);
  }
  return windows;
}

std::string IdsSha256(std::span<const int32_t> ids) {
  static_assert(std::endian::native == std::endian::little, "ids are hashed as they lie in memory");
  Sha256 hash;
  hash.Update(std::as_bytes(ids));
  return hash.Finish();
}

}  // namespace besa::text
