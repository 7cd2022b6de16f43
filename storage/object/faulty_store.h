// A store that fails on purpose and counts what is asked of it: for tests.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <random>

#include "storage/object/object_store.h"

namespace besa::storage {

enum class StoreOp {
  kStat,
  kList,
  kRead,
  kOpenWriter,
  kWrite,
  kFinish,
  kCheckWritable,
  kCopy,
  kDelete,
  kDeleteFolder,
  kDeletePartial
};
inline constexpr size_t kStoreOps = 11;

struct StoreCall {
  StoreOp op;
  // What the call is about; of a copy the target.
  Uri uri;
  // 1 for the first call of that operation.
  int64_t number;
};

struct Fault {
  // OK: no fault.
  absl::Status status;
  // The operation is carried out and fails all the same, as when an answer is lost on its way.
  bool after_effect = false;
};

// Decides about each call, one at a time.
using FaultPlan = std::function<Fault(const StoreCall&)>;

// The `number`-th call of `op` fails.
FaultPlan FailOnce(StoreOp op, int64_t number, absl::Status status, bool after_effect = false);
// Each call of any operation fails with UNAVAILABLE with that probability, half of them after they had their effect.
// The same calls in the same order meet the same faults.
FaultPlan FailShare(double share, uint64_t seed);

// The store stops working, as it does for a process that is killed: the `number`-th call of any operation and all later
// ones fail with UNAVAILABLE.
FaultPlan StopAt(int64_t number, bool after_effect = false);

// Passes everything on to `store`, which must outlive it, but for what the plan says. Thread-safe.
class FaultyStore final : public ObjectStore {
 public:
  explicit FaultyStore(ObjectStore& store, FaultPlan plan = nullptr);

  void SetPlan(FaultPlan plan);

  // Calls so far, failed ones included.
  int64_t calls(StoreOp op) const;
  int64_t calls() const;
  // Bytes asked of ReadRange and given to Write so far.
  int64_t bytes_read() const;
  int64_t bytes_written() const;

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
  friend class FaultyWriter;

  // Counts the call and runs `operation`, or not, as the plan says.
  absl::Status Run(StoreOp op, const Uri& uri, const std::function<absl::Status()>& operation);

  ObjectStore& store_;
  mutable std::mutex mutex_;
  FaultPlan plan_;
  std::array<int64_t, kStoreOps> calls_ = {};
  int64_t bytes_read_ = 0;
  int64_t bytes_written_ = 0;
};

}  // namespace besa::storage
