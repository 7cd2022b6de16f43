#include "server/validation/input_check.h"

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "storage/base/error_info.h"
#include "storage/base/sha256.h"
#include "storage/base/status_macros.h"

namespace besa::server {
namespace {

constexpr int64_t kChunk = int64_t{4} << 20;

absl::Status Changed(const v1::InputFingerprint& input, absl::string_view how) {
  return ErrorWithInfo(absl::StatusCode::kFailedPrecondition,
                       absl::StrCat(input.uri(), " ", std::string(how),
                                    " since the job was prepared; start a new job for the new inputs"),
                       {.reason = "INPUT_CHANGED", .metadata = {{"uri", input.uri()}}});
}

absl::StatusOr<std::string> HashFile(storage::ObjectStore& store, const storage::ObjectInfo& info) {
  Sha256 hash;
  std::vector<std::byte> buffer(static_cast<size_t>(std::min(info.size, kChunk)));
  for (int64_t offset = 0; offset < info.size; offset += kChunk) {
    const std::span<std::byte> chunk(buffer.data(), static_cast<size_t>(std::min(info.size - offset, kChunk)));
    RETURN_IF_ERROR(store.ReadRange(info.uri, offset, chunk));
    hash.Update(chunk);
  }
  return hash.Finish();
}

absl::Status CheckInput(storage::ObjectStore& store, const v1::InputFingerprint& input) {
  ASSIGN_OR_RETURN(const storage::Uri uri, storage::Uri::Parse(input.uri(), "input"));
  const auto info = store.Stat(uri);
  if (absl::IsNotFound(info.status())) return Changed(input, "has gone");
  RETURN_IF_ERROR(info.status());
  if (info->size != input.size()) {
    return Changed(input, absl::StrCat("has changed from ", input.size(), " to ", info->size, " bytes"));
  }
  if (info->etag == input.etag()) return absl::OkStatus();
  if (absl::EndsWith(input.uri(), ".safetensors")) return Changed(input, "has been written again");
  ASSIGN_OR_RETURN(const std::string sha256, HashFile(store, *info));
  return sha256 == input.sha256() ? absl::OkStatus() : Changed(input, "has changed its content");
}

}  // namespace

absl::Status CheckInputsUnchanged(storage::ObjectStore& store, const v1::PrepareResult& prepare) {
  for (const v1::InputFingerprint& input : prepare.inputs()) RETURN_IF_ERROR(CheckInput(store, input));
  return absl::OkStatus();
}

}  // namespace besa::server
