#include "worker/agent/tasks/committed_blocks.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "storage/base/status_macros.h"
#include "worker/agent/failure_reason.h"

namespace besa::worker {
namespace {

using storage::OverlaySource;
using storage::Uri;

bool HoldsWeights(const v1::File& file) { return absl::StartsWith(file.path(), "shard-"); }

absl::StatusOr<std::vector<Uri>> Shards(const v1::Assignment& assignment) {
  std::vector<Uri> shards;
  for (const v1::CommittedBlock& block : assignment.committed_blocks()) {
    ASSIGN_OR_RETURN(const Uri folder, Uri::Parse(block.attempt_uri(), "attempt_uri"));
    for (const v1::File& file : block.files()) {
      if (!HoldsWeights(file)) continue;
      ASSIGN_OR_RETURN(Uri shard, folder.JoinUntrusted(file.path(), "committed_blocks.files.path"));
      shards.push_back(std::move(shard));
    }
  }
  return shards;
}

}  // namespace

absl::StatusOr<OverlaySource> OpenCommitted(storage::ObjectStore& store, const storage::Checkpoint& checkpoint,
                                            const v1::Assignment& assignment, int64_t blocks) {
  if (assignment.committed_blocks_size() != blocks) {
    return absl::InternalError(
        absl::StrCat("the assignment has ", assignment.committed_blocks_size(), " committed blocks, not ", blocks));
  }
  for (int i = 0; i < assignment.committed_blocks_size(); ++i) {
    if (assignment.committed_blocks(i).block() == i) continue;
    return absl::InternalError(
        absl::StrCat("the assignment's committed block ", i, " is block ", assignment.committed_blocks(i).block()));
  }
  ASSIGN_OR_RETURN(const std::vector<Uri> shards, Shards(assignment));
  auto overlay = OverlaySource::Open(store, checkpoint, shards);
  if (!overlay.ok()) return StorageFailure(overlay.status());
  return overlay;
}

std::vector<std::string> CommittedIdentities(const v1::Assignment& assignment) {
  std::vector<std::string> identities;
  for (const v1::CommittedBlock& block : assignment.committed_blocks()) {
    std::string& identity = identities.emplace_back();
    for (const v1::File& file : block.files()) {
      if (HoldsWeights(file)) absl::StrAppend(&identity, file.sha256(), " ");
    }
  }
  return identities;
}

}  // namespace besa::worker
