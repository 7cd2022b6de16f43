#include "worker/agent/tasks/stored_boundary.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "spdlog/spdlog.h"
#include "storage/base/status_macros.h"
#include "storage/safetensors/safetensors.h"

namespace besa::worker {
namespace {

using storage::Uri;

constexpr char kTensor[] = "activations";

absl::StatusOr<storage::HostTensor> ReadPart(storage::ObjectStore& store, const v1::BoundaryPart& part) {
  ASSIGN_OR_RETURN(const Uri folder, Uri::Parse(part.attempt_uri(), "attempt_uri"));
  ASSIGN_OR_RETURN(const Uri file, folder.JoinUntrusted(part.file().path(), "boundary.parts.file.path"));
  ASSIGN_OR_RETURN(const auto header, storage::ReadSafetensorsHeader(store, file));
  const auto found = header.tensors.find(kTensor);
  if (found == header.tensors.end()) {
    return absl::DataLossError(absl::StrCat(file.ToString(), " has no tensor \"", kTensor, "\""));
  }
  return storage::ReadTensor(store, file, kTensor, found->second);
}

}  // namespace

std::string BoundaryFile(int64_t block) { return absl::StrFormat("boundary-%05d.safetensors", block); }

std::optional<pruner::StoredActivations> StoredBefore(storage::ObjectStore& store, const v1::Assignment& assignment) {
  if (assignment.boundary().parts().empty()) return std::nullopt;
  pruner::StoredActivations stored{.block = assignment.boundary().block()};
  for (const v1::BoundaryPart& part : assignment.boundary().parts()) {
    stored.parts.push_back({.first_window = part.first_window(), .windows = part.windows(), .read = [&store, part] {
                              auto tensor = ReadPart(store, part);
                              if (!tensor.ok()) {
                                spdlog::warn("walking, as stored activations cannot be read: {}",
                                             tensor.status().ToString());
                              }
                              return tensor;
                            }});
  }
  return stored;
}

}  // namespace besa::worker
