// All buckets as one store.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "storage/object/object_store.h"
#include "storage/object/s3_connection.h"
#include "storage/object/s3_settings.h"

namespace besa::storage {

// Hands each address to the connection of its bucket, opened at first use and shared by buckets with equal settings.
// Copies between buckets that share one happen on the server; others stream through this process. Thread-safe.
class S3Store final : public ObjectStore {
 public:
  // Errors of `settings_of` are those of the operation.
  using SettingsOf = std::function<absl::StatusOr<S3Settings>(const std::string& bucket)>;

  S3Store(SettingsOf settings_of, S3Retries retries);

  absl::StatusOr<ObjectInfo> Stat(const Uri& uri) override;
  absl::StatusOr<std::vector<ObjectInfo>> List(const Uri& folder) override;
  absl::Status ReadRange(const Uri& uri, int64_t offset, std::span<std::byte> out) override;
  absl::StatusOr<std::unique_ptr<ObjectWriter>> OpenWriter(const Uri& uri) override;
  absl::Status CheckWritable(const Uri& folder) override;
  absl::Status Copy(const Uri& from, const Uri& to) override;
  absl::Status Delete(const Uri& uri) override;
  absl::Status DeleteFolder(const Uri& folder) override;
  absl::Status DeletePartialWrites(const Uri& folder, absl::Time older_than) override;

 private:
  absl::StatusOr<S3Connection*> ConnectionOf(const Uri& uri);

  SettingsOf settings_of_;
  S3Retries retries_;
  std::mutex mutex_;
  std::map<S3Settings, std::unique_ptr<S3Connection>> connections_;
  std::map<std::string, S3Connection*> by_bucket_;
};

}  // namespace besa::storage
