#include "storage/object/s3_store.h"

#include <utility>

#include "storage/base/status_macros.h"
#include "storage/object/s3_library.h"

namespace besa::storage {

S3Store::S3Store(SettingsOf settings_of, S3Retries retries)
    : settings_of_(std::move(settings_of)), retries_(std::move(retries)) {}

absl::StatusOr<S3Connection*> S3Store::ConnectionOf(const Uri& uri) {
  const std::string bucket = uri.path().substr(0, uri.path().find('/'));
  const std::lock_guard lock(mutex_);
  S3Connection*& known = by_bucket_[bucket];
  if (known != nullptr) return known;
  ASSIGN_OR_RETURN(S3Settings settings, settings_of_(bucket));
  if (settings.endpoint.empty() && settings.region.empty()) {
    ASSIGN_OR_RETURN(settings.region, AskAmazonForRegion(bucket));
  }
  std::unique_ptr<S3Connection>& connection = connections_[settings];
  if (connection == nullptr) {
    ASSIGN_OR_RETURN(connection, S3Connection::Open(settings, retries_));
  }
  return known = connection.get();
}

absl::StatusOr<ObjectInfo> S3Store::Stat(const Uri& uri) {
  ASSIGN_OR_RETURN(S3Connection* const connection, ConnectionOf(uri));
  return connection->Stat(uri);
}

absl::StatusOr<std::vector<ObjectInfo>> S3Store::List(const Uri& folder) {
  ASSIGN_OR_RETURN(S3Connection* const connection, ConnectionOf(folder));
  return connection->List(folder);
}

absl::Status S3Store::ReadRange(const Uri& uri, int64_t offset, std::span<std::byte> out) {
  ASSIGN_OR_RETURN(S3Connection* const connection, ConnectionOf(uri));
  return connection->ReadRange(uri, offset, out);
}

absl::StatusOr<std::unique_ptr<ObjectWriter>> S3Store::OpenWriter(const Uri& uri) {
  ASSIGN_OR_RETURN(S3Connection* const connection, ConnectionOf(uri));
  return connection->OpenWriter(uri);
}

absl::Status S3Store::CheckWritable(const Uri& folder) {
  ASSIGN_OR_RETURN(S3Connection* const connection, ConnectionOf(folder));
  return connection->CheckWritable(folder);
}

absl::Status S3Store::Copy(const Uri& from, const Uri& to) {
  ASSIGN_OR_RETURN(S3Connection* const source, ConnectionOf(from));
  ASSIGN_OR_RETURN(S3Connection* const target, ConnectionOf(to));
  if (source == target) return source->Copy(from, to);
  return StreamCopy(*source, from, *target, to);
}

absl::Status S3Store::Delete(const Uri& uri) {
  ASSIGN_OR_RETURN(S3Connection* const connection, ConnectionOf(uri));
  return connection->Delete(uri);
}

absl::Status S3Store::DeleteFolder(const Uri& folder) {
  ASSIGN_OR_RETURN(S3Connection* const connection, ConnectionOf(folder));
  return connection->DeleteFolder(folder);
}

absl::Status S3Store::DeletePartialWrites(const Uri& folder, absl::Time older_than) {
  ASSIGN_OR_RETURN(S3Connection* const connection, ConnectionOf(folder));
  return connection->DeletePartialWrites(folder, older_than);
}

}  // namespace besa::storage
