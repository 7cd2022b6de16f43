#include "server/publisher/companions.h"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <span>

#include "absl/strings/str_cat.h"
#include "storage/base/error_info.h"
#include "storage/base/sha256.h"
#include "storage/base/status_macros.h"

namespace besa::server {
namespace {

constexpr int64_t kChunk = int64_t{4} << 20;

}  // namespace

std::vector<Companion> PublishedCompanions(const storage::Checkpoint& checkpoint) {
  const size_t prefix = checkpoint.folder().ToString().size() + 1;
  std::vector<Companion> companions;
  for (const storage::ObjectInfo& file : checkpoint.companions()) {
    companions.push_back({.from = file.uri, .path = file.uri.ToString().substr(prefix)});
  }
  std::sort(companions.begin(), companions.end(),
            [](const Companion& a, const Companion& b) { return a.path < b.path; });
  return companions;
}

absl::StatusOr<PublishedFile> CopyCompanion(storage::ObjectStore& store, const Companion& companion,
                                            const storage::Uri& output,
                                            const google::protobuf::RepeatedPtrField<v1::InputFingerprint>& inputs) {
  ASSIGN_OR_RETURN(const storage::ObjectInfo info, store.Stat(companion.from));
  ASSIGN_OR_RETURN(const std::unique_ptr<storage::ObjectWriter> writer, store.OpenWriter(output.Join(companion.path)));
  Sha256 hash;
  std::vector<std::byte> buffer(static_cast<size_t>(std::min(info.size, kChunk)));
  for (int64_t offset = 0; offset < info.size;) {
    const auto length = static_cast<size_t>(std::min(info.size - offset, kChunk));
    const std::span<std::byte> chunk(buffer.data(), length);
    RETURN_IF_ERROR(store.ReadRange(companion.from, offset, chunk));
    hash.Update(chunk);
    RETURN_IF_ERROR(writer->Write(chunk));
    offset += static_cast<int64_t>(length);
  }
  PublishedFile file{.path = companion.path, .size = info.size, .sha256 = hash.Finish()};

  const std::string uri = companion.from.ToString();
  for (const v1::InputFingerprint& input : inputs) {
    if (input.uri() != uri || input.sha256() == file.sha256) continue;
    return ErrorWithInfo(
        absl::StatusCode::kFailedPrecondition,
        absl::StrCat(uri, " changed since the job began: its SHA-256 is ", file.sha256, ", it was ", input.sha256()),
        {.reason = "INPUT_CHANGED", .metadata = {{"uri", uri}}});
  }
  RETURN_IF_ERROR(writer->Finish());
  return file;
}

}  // namespace besa::server
