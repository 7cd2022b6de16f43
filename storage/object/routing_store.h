// Several stores as one, by scheme.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "storage/object/object_store.h"

namespace besa::storage {

// Hands each address to the store of its scheme; copies between two stores stream through this process. An address
// whose scheme has no store is INVALID_ARGUMENT. Thread-safe.
class RoutingStore final : public ObjectStore {
 public:
  explicit RoutingStore(std::map<std::string, std::unique_ptr<ObjectStore>> stores);

  absl::StatusOr<ObjectInfo> Stat(const Uri& uri) override;
  absl::StatusOr<std::vector<ObjectInfo>> List(const Uri& folder) override;
  absl::Status ReadRange(const Uri& uri, int64_t offset, std::span<std::byte> out) override;
  absl::StatusOr<std::unique_ptr<ObjectWriter>> OpenWriter(const Uri& uri) override;
  absl::Status CheckWritable(const Uri& folder) override;
  absl::Status Copy(const Uri& from, const Uri& to) override;
  absl::Status Share(const Uri& from, const Uri& to) override;
  absl::Status Delete(const Uri& uri) override;
  absl::Status DeleteFolder(const Uri& folder) override;
  absl::Status DeletePartialWrites(const Uri& folder, absl::Time older_than) override;

 private:
  absl::StatusOr<ObjectStore*> Route(const Uri& uri) const;

  std::map<std::string, std::unique_ptr<ObjectStore>> stores_;
};

}  // namespace besa::storage
