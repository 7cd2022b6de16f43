#include "storage/object/retrying_store.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "storage/base/status_macros.h"

namespace besa::storage {
namespace {

absl::Status GaveUp(const absl::Status& status, int tries, absl::Duration spent) {
  absl::Status told(status.code(), absl::StrCat(status.message(), "; gave up after ", tries, " tries in ",
                                                absl::FormatDuration(absl::Trunc(spent, absl::Milliseconds(100)))));
  status.ForEachPayload([&](absl::string_view type, const absl::Cord& payload) { told.SetPayload(type, payload); });
  return told;
}

}  // namespace

RetryingStore::RetryingStore(std::unique_ptr<ObjectStore> store, RetryOptions options, RetryWorld world)
    : store_(std::move(store)), options_(options), world_(std::move(world)) {}

absl::Status RetryingStore::Retry(const std::function<absl::Status()>& operation) {
  const absl::Duration begin = world_.clock.Steady();
  for (int failures = 1;; ++failures) {
    const absl::Status status = operation();
    if (!absl::IsUnavailable(status)) return status;
    const absl::Duration spent = world_.clock.Steady() - begin;
    const absl::Duration pause = options_.backoff.Delay(failures, world_.uniform());
    if (spent + pause > options_.give_up_after) return GaveUp(status, failures, spent);
    world_.sleep(pause);
  }
}

absl::StatusOr<ObjectInfo> RetryingStore::Stat(const Uri& uri) {
  std::optional<ObjectInfo> info;
  RETURN_IF_ERROR(Retry([&]() -> absl::Status {
    ASSIGN_OR_RETURN(info, store_->Stat(uri));
    return absl::OkStatus();
  }));
  return *std::move(info);
}

absl::StatusOr<std::vector<ObjectInfo>> RetryingStore::List(const Uri& folder) {
  std::vector<ObjectInfo> objects;
  RETURN_IF_ERROR(Retry([&]() -> absl::Status {
    ASSIGN_OR_RETURN(objects, store_->List(folder));
    return absl::OkStatus();
  }));
  return objects;
}

absl::Status RetryingStore::ReadRange(const Uri& uri, int64_t offset, std::span<std::byte> out) {
  return Retry([&] { return store_->ReadRange(uri, offset, out); });
}

absl::StatusOr<std::unique_ptr<ObjectWriter>> RetryingStore::OpenWriter(const Uri& uri) {
  std::unique_ptr<ObjectWriter> writer;
  RETURN_IF_ERROR(Retry([&]() -> absl::Status {
    ASSIGN_OR_RETURN(writer, store_->OpenWriter(uri));
    return absl::OkStatus();
  }));
  return writer;
}

absl::Status RetryingStore::CheckWritable(const Uri& folder) { return store_->CheckWritable(folder); }

absl::Status RetryingStore::Copy(const Uri& from, const Uri& to) {
  return Retry([&] { return store_->Copy(from, to); });
}

absl::Status RetryingStore::Share(const Uri& from, const Uri& to) {
  return Retry([&] { return store_->Share(from, to); });
}

absl::Status RetryingStore::Delete(const Uri& uri) {
  return Retry([&] { return store_->Delete(uri); });
}

absl::Status RetryingStore::DeleteFolder(const Uri& folder) {
  return Retry([&] { return store_->DeleteFolder(folder); });
}

absl::Status RetryingStore::DeletePartialWrites(const Uri& folder, absl::Time older_than) {
  return Retry([&] { return store_->DeletePartialWrites(folder, older_than); });
}

}  // namespace besa::storage
