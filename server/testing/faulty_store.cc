#include "server/testing/faulty_store.h"

#include <utility>

#include "storage/base/status_macros.h"

namespace besa::server::testing {

template <class Operation>
auto FaultyStore::Run(const Operation& operation) -> decltype(operation()) {
  const int64_t number = ++operations_;
  if (number < fail_at_) return operation();
  if (number == fail_at_ && done_first_) (void)operation();
  return absl::UnavailableError("the store is out of reach");
}

class FaultyStore::Writer final : public storage::ObjectWriter {
 public:
  Writer(FaultyStore& store, std::unique_ptr<storage::ObjectWriter> writer)
      : store_(store), writer_(std::move(writer)) {}

  absl::Status Write(std::span<const std::byte> bytes) override {
    return store_.Run([&] { return writer_->Write(bytes); });
  }
  absl::Status Finish() override {
    return store_.Run([&] { return writer_->Finish(); });
  }

 private:
  FaultyStore& store_;
  std::unique_ptr<storage::ObjectWriter> writer_;
};

absl::StatusOr<storage::ObjectInfo> FaultyStore::Stat(const storage::Uri& uri) {
  return Run([&] { return store_.Stat(uri); });
}

absl::StatusOr<std::vector<storage::ObjectInfo>> FaultyStore::List(const storage::Uri& folder) {
  return Run([&] { return store_.List(folder); });
}

absl::Status FaultyStore::ReadRange(const storage::Uri& uri, int64_t offset, std::span<std::byte> out) {
  return Run([&] { return store_.ReadRange(uri, offset, out); });
}

absl::StatusOr<std::unique_ptr<storage::ObjectWriter>> FaultyStore::OpenWriter(const storage::Uri& uri) {
  ASSIGN_OR_RETURN(auto writer, Run([&] { return store_.OpenWriter(uri); }));
  return std::make_unique<Writer>(*this, std::move(writer));
}

absl::Status FaultyStore::CheckWritable(const storage::Uri& folder) {
  return Run([&] { return store_.CheckWritable(folder); });
}

absl::Status FaultyStore::Copy(const storage::Uri& from, const storage::Uri& to) {
  return Run([&] { return store_.Copy(from, to); });
}

absl::Status FaultyStore::Delete(const storage::Uri& uri) {
  return Run([&] { return store_.Delete(uri); });
}

absl::Status FaultyStore::DeleteFolder(const storage::Uri& folder) {
  return Run([&] { return store_.DeleteFolder(folder); });
}

absl::Status FaultyStore::DeletePartialWrites(const storage::Uri& folder, absl::Time older_than) {
  return Run([&] { return store_.DeletePartialWrites(folder, older_than); });
}

}  // namespace besa::server::testing
