#include "storage/object/routing_store.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "storage/base/error_info.h"
#include "storage/base/status_macros.h"

namespace besa::storage {

RoutingStore::RoutingStore(std::map<std::string, std::unique_ptr<ObjectStore>> stores) : stores_(std::move(stores)) {}

absl::StatusOr<ObjectStore*> RoutingStore::Route(const Uri& uri) const {
  const auto found = stores_.find(uri.scheme());
  if (found != stores_.end()) return found->second.get();
  const std::string schemes = absl::StrJoin(
      stores_, ", ", [](std::string* out, const auto& entry) { absl::StrAppend(out, entry.first, "://"); });
  return FieldError(
      "uri", uri.ToString(),
      absl::StrCat("an address that begins with ", schemes, "; no folder at ", uri.scheme(), ":// is allowed here"));
}

absl::StatusOr<ObjectInfo> RoutingStore::Stat(const Uri& uri) {
  ASSIGN_OR_RETURN(ObjectStore* const store, Route(uri));
  return store->Stat(uri);
}

absl::StatusOr<std::vector<ObjectInfo>> RoutingStore::List(const Uri& folder) {
  ASSIGN_OR_RETURN(ObjectStore* const store, Route(folder));
  return store->List(folder);
}

absl::Status RoutingStore::ReadRange(const Uri& uri, int64_t offset, std::span<std::byte> out) {
  ASSIGN_OR_RETURN(ObjectStore* const store, Route(uri));
  return store->ReadRange(uri, offset, out);
}

absl::StatusOr<std::unique_ptr<ObjectWriter>> RoutingStore::OpenWriter(const Uri& uri) {
  ASSIGN_OR_RETURN(ObjectStore* const store, Route(uri));
  return store->OpenWriter(uri);
}

absl::Status RoutingStore::CheckWritable(const Uri& folder) {
  ASSIGN_OR_RETURN(ObjectStore* const store, Route(folder));
  return store->CheckWritable(folder);
}

absl::Status RoutingStore::Copy(const Uri& from, const Uri& to) {
  ASSIGN_OR_RETURN(ObjectStore* const from_store, Route(from));
  ASSIGN_OR_RETURN(ObjectStore* const to_store, Route(to));
  if (from_store == to_store) return from_store->Copy(from, to);
  return StreamCopy(*from_store, from, *to_store, to);
}

absl::Status RoutingStore::Share(const Uri& from, const Uri& to) {
  ASSIGN_OR_RETURN(ObjectStore* const from_store, Route(from));
  ASSIGN_OR_RETURN(ObjectStore* const to_store, Route(to));
  if (from_store == to_store) return from_store->Share(from, to);
  return StreamCopy(*from_store, from, *to_store, to);
}

absl::Status RoutingStore::Delete(const Uri& uri) {
  ASSIGN_OR_RETURN(ObjectStore* const store, Route(uri));
  return store->Delete(uri);
}

absl::Status RoutingStore::DeleteFolder(const Uri& folder) {
  ASSIGN_OR_RETURN(ObjectStore* const store, Route(folder));
  return store->DeleteFolder(folder);
}

absl::Status RoutingStore::DeletePartialWrites(const Uri& folder, absl::Time older_than) {
  ASSIGN_OR_RETURN(ObjectStore* const store, Route(folder));
  return store->DeletePartialWrites(folder, older_than);
}

}  // namespace besa::storage
