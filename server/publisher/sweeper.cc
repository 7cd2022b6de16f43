#include "server/publisher/sweeper.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "storage/base/status_macros.h"

namespace besa::server {
namespace {

constexpr int kFoldersARound = 100;

absl::Status DeleteOne(Coordinator& coordinator, storage::ObjectStore& store, const storage::Uri& workspace,
                       const std::string& folder) {
  ASSIGN_OR_RETURN(const storage::Uri uri, storage::Uri::Parse(folder, "garbage"));
  if (uri == workspace || !uri.IsWithin(workspace)) {
    return absl::InternalError(
        absl::StrCat(folder, " is due to be deleted, but lies outside the workspace ", workspace.ToString()));
  }
  RETURN_IF_ERROR(store.DeleteFolder(uri));
  return coordinator.ForgetGarbage(folder);
}

}  // namespace

absl::Status Sweep(Coordinator& coordinator, storage::ObjectStore& store, const storage::Uri& workspace) {
  ASSIGN_OR_RETURN(const std::vector<GarbageRow> due, coordinator.DueGarbage(kFoldersARound));
  absl::Status first;
  for (const GarbageRow& garbage : due) first.Update(DeleteOne(coordinator, store, workspace, garbage.uri));
  return first;
}

}  // namespace besa::server
