#include "storage/object/faulty_store.h"

#include <numeric>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "storage/base/status_macros.h"

namespace besa::storage {

class FaultyWriter final : public ObjectWriter {
 public:
  FaultyWriter(FaultyStore& store, Uri uri, std::unique_ptr<ObjectWriter> writer)
      : store_(store), uri_(std::move(uri)), writer_(std::move(writer)) {}

  absl::Status Write(std::span<const std::byte> bytes) override {
    {
      const std::lock_guard lock(store_.mutex_);
      store_.bytes_written_ += static_cast<int64_t>(bytes.size());
    }
    return store_.Run(StoreOp::kWrite, uri_, [&] { return writer_->Write(bytes); });
  }
  absl::Status Finish() override {
    return store_.Run(StoreOp::kFinish, uri_, [&] { return writer_->Finish(); });
  }

 private:
  FaultyStore& store_;
  Uri uri_;
  std::unique_ptr<ObjectWriter> writer_;
};

FaultPlan FailOnce(StoreOp op, int64_t number, absl::Status status, bool after_effect) {
  return [=](const StoreCall& call) {
    const bool hit = call.op == op && call.number == number;
    return hit ? Fault{.status = status, .after_effect = after_effect} : Fault{};
  };
}

FaultPlan FailShare(double share, uint64_t seed) {
  return [share, random = std::mt19937_64(seed)](const StoreCall& call) mutable {
    // Whatever falls: both numbers are drawn for every call, so that one fault does not shift all later ones.
    const double draw = static_cast<double>(random() >> 11) * 0x1p-53;
    const bool after_effect = random() % 2 == 0;
    if (draw >= share) return Fault{};
    return Fault{.status = absl::UnavailableError(absl::StrCat(call.uri.ToString(), ": injected fault")),
                 .after_effect = after_effect};
  };
}

FaultPlan StopAt(int64_t number, bool after_effect) {
  return [=, calls = int64_t{0}](const StoreCall& call) mutable {
    if (++calls < number) return Fault{};
    return Fault{.status = absl::UnavailableError(absl::StrCat(call.uri.ToString(), ": the store is down")),
                 .after_effect = after_effect && calls == number};
  };
}

FaultyStore::FaultyStore(ObjectStore& store, FaultPlan plan) : store_(store), plan_(std::move(plan)) {}

void FaultyStore::SetPlan(FaultPlan plan) {
  const std::lock_guard lock(mutex_);
  plan_ = std::move(plan);
}

int64_t FaultyStore::calls(StoreOp op) const {
  const std::lock_guard lock(mutex_);
  return calls_[static_cast<size_t>(op)];
}

int64_t FaultyStore::calls() const {
  const std::lock_guard lock(mutex_);
  return std::accumulate(calls_.begin(), calls_.end(), int64_t{0});
}

int64_t FaultyStore::bytes_read() const {
  const std::lock_guard lock(mutex_);
  return bytes_read_;
}

int64_t FaultyStore::bytes_written() const {
  const std::lock_guard lock(mutex_);
  return bytes_written_;
}

absl::Status FaultyStore::Run(StoreOp op, const Uri& uri, const std::function<absl::Status()>& operation) {
  Fault fault;
  {
    const std::lock_guard lock(mutex_);
    const int64_t number = ++calls_[static_cast<size_t>(op)];
    if (plan_) fault = plan_({.op = op, .uri = uri, .number = number});
  }
  if (fault.status.ok()) return operation();
  if (fault.after_effect) RETURN_IF_ERROR(operation());
  return fault.status;
}

absl::StatusOr<ObjectInfo> FaultyStore::Stat(const Uri& uri) {
  std::optional<ObjectInfo> info;
  RETURN_IF_ERROR(Run(StoreOp::kStat, uri, [&]() -> absl::Status {
    ASSIGN_OR_RETURN(info, store_.Stat(uri));
    return absl::OkStatus();
  }));
  return *info;
}

absl::StatusOr<std::vector<ObjectInfo>> FaultyStore::List(const Uri& folder) {
  std::vector<ObjectInfo> objects;
  RETURN_IF_ERROR(Run(StoreOp::kList, folder, [&]() -> absl::Status {
    ASSIGN_OR_RETURN(objects, store_.List(folder));
    return absl::OkStatus();
  }));
  return objects;
}

absl::Status FaultyStore::ReadRange(const Uri& uri, int64_t offset, std::span<std::byte> out) {
  {
    const std::lock_guard lock(mutex_);
    bytes_read_ += static_cast<int64_t>(out.size());
  }
  return Run(StoreOp::kRead, uri, [&] { return store_.ReadRange(uri, offset, out); });
}

absl::StatusOr<std::unique_ptr<ObjectWriter>> FaultyStore::OpenWriter(const Uri& uri) {
  std::unique_ptr<ObjectWriter> writer;
  RETURN_IF_ERROR(Run(StoreOp::kOpenWriter, uri, [&]() -> absl::Status {
    ASSIGN_OR_RETURN(writer, store_.OpenWriter(uri));
    return absl::OkStatus();
  }));
  return std::make_unique<FaultyWriter>(*this, uri, std::move(writer));
}

absl::Status FaultyStore::CheckWritable(const Uri& folder) {
  return Run(StoreOp::kCheckWritable, folder, [&] { return store_.CheckWritable(folder); });
}

absl::Status FaultyStore::Copy(const Uri& from, const Uri& to) {
  return Run(StoreOp::kCopy, to, [&] { return store_.Copy(from, to); });
}

absl::Status FaultyStore::Share(const Uri& from, const Uri& to) {
  return Run(StoreOp::kCopy, to, [&] { return store_.Share(from, to); });
}

absl::Status FaultyStore::Delete(const Uri& uri) {
  return Run(StoreOp::kDelete, uri, [&] { return store_.Delete(uri); });
}

absl::Status FaultyStore::DeleteFolder(const Uri& folder) {
  return Run(StoreOp::kDeleteFolder, folder, [&] { return store_.DeleteFolder(folder); });
}

absl::Status FaultyStore::DeletePartialWrites(const Uri& folder, absl::Time older_than) {
  return Run(StoreOp::kDeletePartial, folder, [&] { return store_.DeletePartialWrites(folder, older_than); });
}

}  // namespace besa::storage
