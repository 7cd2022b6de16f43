#include "storage/object/confined_store.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "storage/base/error_info.h"
#include "storage/base/status_macros.h"

namespace besa::storage {

ConfinedStore::ConfinedStore(std::unique_ptr<ObjectStore> store, std::vector<Uri> allowed, Resolve resolve)
    : store_(std::move(store)), allowed_(std::move(allowed)), resolve_(std::move(resolve)) {}

absl::Status ConfinedStore::Refuse(const Uri& uri) const {
  const std::string allowed = absl::StrJoin(
      allowed_, ", ", [](std::string* out, const Uri& prefix) { absl::StrAppend(out, prefix.ToString()); });
  return ErrorWithInfo(absl::StatusCode::kPermissionDenied,
                       absl::StrCat(uri.ToString(), ": outside the folders this service may use (", allowed, ")"),
                       {.reason = "PATH_NOT_ALLOWED", .metadata = {{"uri", uri.ToString()}, {"allowed", allowed}}});
}

absl::Status ConfinedStore::Check(const Uri& uri) const {
  // As written first: an address outside gets the same answer whether or not there is something.
  if (std::ranges::none_of(allowed_, [&](const Uri& prefix) { return uri.IsWithin(prefix); })) return Refuse(uri);
  const auto target = resolve_(uri);
  if (!target.ok()) {
    // A link to nowhere may lead anywhere by the time it is used.
    return absl::IsFailedPrecondition(target.status()) ? Refuse(uri) : target.status();
  }
  for (const Uri& prefix : allowed_) {
    // The allowed folder may itself be reached through links.
    const auto real_prefix = resolve_(prefix);
    if (real_prefix.ok() && target->IsWithin(*real_prefix)) return absl::OkStatus();
  }
  return Refuse(uri);
}

absl::StatusOr<ObjectInfo> ConfinedStore::Stat(const Uri& uri) {
  RETURN_IF_ERROR(Check(uri));
  return store_->Stat(uri);
}

absl::StatusOr<std::vector<ObjectInfo>> ConfinedStore::List(const Uri& folder) {
  RETURN_IF_ERROR(Check(folder));
  ASSIGN_OR_RETURN(std::vector<ObjectInfo> objects, store_->List(folder));
  std::erase_if(objects, [&](const ObjectInfo& object) { return !Check(object.uri).ok(); });
  return objects;
}

absl::Status ConfinedStore::ReadRange(const Uri& uri, int64_t offset, std::span<std::byte> out) {
  RETURN_IF_ERROR(Check(uri));
  return store_->ReadRange(uri, offset, out);
}

absl::StatusOr<std::unique_ptr<ObjectWriter>> ConfinedStore::OpenWriter(const Uri& uri) {
  RETURN_IF_ERROR(Check(uri));
  return store_->OpenWriter(uri);
}

absl::Status ConfinedStore::CheckWritable(const Uri& folder) {
  RETURN_IF_ERROR(Check(folder));
  return store_->CheckWritable(folder);
}

absl::Status ConfinedStore::Copy(const Uri& from, const Uri& to) {
  RETURN_IF_ERROR(Check(from));
  RETURN_IF_ERROR(Check(to));
  return store_->Copy(from, to);
}

absl::Status ConfinedStore::Share(const Uri& from, const Uri& to) {
  RETURN_IF_ERROR(Check(from));
  RETURN_IF_ERROR(Check(to));
  return store_->Share(from, to);
}

absl::Status ConfinedStore::Delete(const Uri& uri) {
  RETURN_IF_ERROR(Check(uri));
  return store_->Delete(uri);
}

absl::Status ConfinedStore::DeleteFolder(const Uri& folder) {
  RETURN_IF_ERROR(Check(folder));
  return store_->DeleteFolder(folder);
}

absl::Status ConfinedStore::DeletePartialWrites(const Uri& folder, absl::Time older_than) {
  RETURN_IF_ERROR(Check(folder));
  return store_->DeletePartialWrites(folder, older_than);
}

}  // namespace besa::storage
