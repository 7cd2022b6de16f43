// A store of which only some folders can be reached.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "storage/object/object_store.h"

namespace besa::storage {

// Refuses every address outside the allowed folders with PERMISSION_DENIED, reason PATH_NOT_ALLOWED, before the store
// sees it. Listings leave out links that lead outside. Thread-safe.
//
// Links are followed when an operation starts. Whoever may replace folders by links inside the allowed ones while
// operations run can escape: confine people by the rights of the process's user, and addresses by this.
class ConfinedStore final : public ObjectStore {
 public:
  // Where an address really leads; for stores without links the address itself.
  using Resolve = std::function<absl::StatusOr<Uri>(const Uri&)>;

  ConfinedStore(std::unique_ptr<ObjectStore> store, std::vector<Uri> allowed, Resolve resolve);

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
  absl::Status Check(const Uri& uri) const;
  absl::Status Refuse(const Uri& uri) const;

  std::unique_ptr<ObjectStore> store_;
  std::vector<Uri> allowed_;
  Resolve resolve_;
};

}  // namespace besa::storage
