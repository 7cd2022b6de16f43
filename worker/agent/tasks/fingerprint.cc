#include "worker/agent/tasks/fingerprint.h"

#include <algorithm>
#include <cstddef>
#include <map>
#include <span>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "storage/base/error_info.h"
#include "storage/base/sha256.h"
#include "storage/base/status_macros.h"
#include "storage/safetensors/safetensors.h"
#include "worker/agent/failure_reason.h"

namespace besa::worker {
namespace {

using storage::ObjectInfo;
using storage::Uri;

constexpr int64_t kPieceBytes = int64_t{4} << 20;

absl::StatusOr<std::string> HashWhole(storage::ObjectStore& store, const ObjectInfo& object) {
  Sha256 hash;
  std::vector<std::byte> buffer(static_cast<size_t>(std::min(kPieceBytes, object.size)));
  for (int64_t done = 0; done < object.size;) {
    const auto piece = std::span(buffer).first(static_cast<size_t>(std::min(kPieceBytes, object.size - done)));
    RETURN_IF_ERROR(store.ReadRange(object.uri, done, piece));
    hash.Update(piece);
    done += static_cast<int64_t>(piece.size());
  }
  return hash.Finish();
}

// Of the header for weight files, of everything else whole.
absl::StatusOr<std::string> HashOf(storage::ObjectStore& store, const ObjectInfo& object, const Uri& model) {
  const bool is_weights = object.uri.IsWithin(model) && absl::EndsWith(object.uri.name(), ".safetensors");
  if (!is_weights) return HashWhole(store, object);
  ASSIGN_OR_RETURN(auto header, storage::ReadSafetensorsHeader(store, object.uri));
  return std::move(header.sha256);
}

absl::Status Changed(const std::string& uri, absl::string_view how) {
  return ErrorWithInfo(absl::StatusCode::kFailedPrecondition, absl::StrCat(uri, " changed since the job began: ", how),
                       {kInputChanged, {{"uri", uri}}});
}

absl::Status CheckOne(storage::ObjectStore& store, const Uri& model, const v1::InputFingerprint& input) {
  ASSIGN_OR_RETURN(const Uri uri, Uri::Parse(input.uri()));
  const auto object = store.Stat(uri);
  if (object.status().code() == absl::StatusCode::kNotFound) return Changed(input.uri(), "it is gone");
  if (!object.ok()) return object.status();
  if (object->size != input.size()) {
    return Changed(input.uri(), absl::StrCat("it has ", object->size, " bytes, it had ", input.size()));
  }
  if (object->etag == input.etag()) return absl::OkStatus();
  const auto hash = HashOf(store, *object, model);
  if (hash.status().code() == absl::StatusCode::kInvalidArgument) {
    return Changed(input.uri(), hash.status().message());
  }
  if (!hash.ok()) return hash.status();
  if (*hash != input.sha256()) {
    return Changed(input.uri(), absl::StrCat("its SHA-256 is ", *hash, ", it was ", input.sha256()));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Fingerprints> FingerprintInputs(storage::ObjectStore& store, const storage::Checkpoint& checkpoint,
                                               const std::vector<std::string>& text_uris) {
  std::map<std::string, Uri> files;
  const auto add = [&files](const Uri& uri) { files.emplace(uri.ToString(), uri); };
  for (const auto& [name, header] : checkpoint.files()) add(checkpoint.folder().Join(name));
  for (const ObjectInfo& companion : checkpoint.companions()) add(companion.uri);
  for (const std::string& text : text_uris) {
    ASSIGN_OR_RETURN(const Uri uri, Uri::Parse(text));
    add(uri);
  }
  const Uri index = checkpoint.folder().Join("model.safetensors.index.json");
  if (store.Stat(index).ok()) add(index);

  Fingerprints fingerprints;
  for (const auto& [name, uri] : files) {
    ASSIGN_OR_RETURN(const ObjectInfo object, store.Stat(uri));
    ASSIGN_OR_RETURN(std::string hash, HashOf(store, object, checkpoint.folder()));
    v1::InputFingerprint& fingerprint = *fingerprints.Add();
    fingerprint.set_uri(name);
    fingerprint.set_size(object.size);
    fingerprint.set_sha256(std::move(hash));
    fingerprint.set_etag(object.etag);
  }
  return fingerprints;
}

absl::Status CheckUnchanged(storage::ObjectStore& store, const Uri& model, const Fingerprints& inputs) {
  for (const v1::InputFingerprint& input : inputs) RETURN_IF_ERROR(CheckOne(store, model, input));
  return absl::OkStatus();
}

}  // namespace besa::worker
