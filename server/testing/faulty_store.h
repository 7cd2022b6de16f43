// A store that stops working at a chosen operation, as it does for a process that is killed there.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "storage/object/object_store.h"

namespace besa::server::testing {

// Counts operations (writes and the end of a write count too) and passes them on to `store`, until number `fail_at`
// (from 1): that one and all later ones fail with UNAVAILABLE. If `done_first`, that one takes effect nevertheless: the
// answer was lost. Thread-safe. `store` must outlive it.
class FaultyStore final : public storage::ObjectStore {
 public:
  FaultyStore(storage::ObjectStore& store, int64_t fail_at, bool done_first)
      : store_(store), fail_at_(fail_at), done_first_(done_first) {}

  int64_t operations() const { return operations_; }

  absl::StatusOr<storage::ObjectInfo> Stat(const storage::Uri& uri) override;
  absl::StatusOr<std::vector<storage::ObjectInfo>> List(const storage::Uri& folder) override;
  absl::Status ReadRange(const storage::Uri& uri, int64_t offset, std::span<std::byte> out) override;
  absl::StatusOr<std::unique_ptr<storage::ObjectWriter>> OpenWriter(const storage::Uri& uri) override;
  absl::Status CheckWritable(const storage::Uri& folder) override;
  absl::Status Copy(const storage::Uri& from, const storage::Uri& to) override;
  absl::Status Delete(const storage::Uri& uri) override;
  absl::Status DeleteFolder(const storage::Uri& folder) override;
  absl::Status DeletePartialWrites(const storage::Uri& folder, absl::Time older_than) override;

 private:
  class Writer;
  // Runs `operation` unless the store is down; its result, or the failure.
  template <class Operation>
  auto Run(const Operation& operation) -> decltype(operation());

  storage::ObjectStore& store_;
  const int64_t fail_at_;
  const bool done_first_;
  std::atomic<int64_t> operations_ = 0;
};

}  // namespace besa::server::testing
