// A store that tries again.
#pragma once

#include <functional>
#include <memory>

#include "absl/time/time.h"
#include "storage/base/backoff.h"
#include "storage/base/clock.h"
#include "storage/object/object_store.h"

namespace besa::storage {

struct RetryOptions {
  Backoff backoff;
  // No new try begins when this long has passed since the first.
  absl::Duration give_up_after = absl::Minutes(1);
};

// What retries depend on. Thread-safe, all of them.
struct RetryWorld {
  const Clock& clock;
  std::function<void(absl::Duration)> sleep;
  // A number in [0, 1).
  std::function<double()> uniform;
};

// Tries an operation again that failed with UNAVAILABLE, and says in the end how often it tried. Every operation of a
// store may be repeated: reading changes nothing, a second copy or deletion finds what the first one left.
//
// Two things are not tried again. A stream being written: its bytes are gone, so its caller has to begin anew (a store
// may repeat the requests below one, as S3 does). And CheckWritable: whoever asks wants to know how things stand now.
// Thread-safe.
class RetryingStore final : public ObjectStore {
 public:
  RetryingStore(std::unique_ptr<ObjectStore> store, RetryOptions options, RetryWorld world);

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
  // Calls `operation` until it ends otherwise than with UNAVAILABLE or time is up.
  absl::Status Retry(const std::function<absl::Status()>& operation);

  std::unique_ptr<ObjectStore> store_;
  RetryOptions options_;
  RetryWorld world_;
};

}  // namespace besa::storage
