#include "telemetry/metered_store.h"

#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "prometheus/counter.h"
#include "prometheus/histogram.h"
#include "telemetry/code_label.h"

namespace besa {

using storage::ObjectInfo;
using storage::ObjectStore;
using storage::ObjectWriter;
using storage::Uri;

// Thread-safe, as the metrics of the library are.
class StoreMetrics {
 public:
  StoreMetrics(prometheus::Registry& registry, const Clock& clock)
      : clock_(clock),
        seconds_(prometheus::BuildHistogram()
                     .Name("besa_store_operation_seconds")
                     .Help("Time of operations on object stores, retries included.")
                     .Register(registry)),
        operations_(prometheus::BuildCounter()
                        .Name("besa_store_operations_total")
                        .Help("Operations on object stores by how they ended.")
                        .Register(registry)),
        bytes_(prometheus::BuildCounter()
                   .Name("besa_store_bytes_total")
                   .Help("Bytes read from and written to object stores by this process.")
                   .Register(registry)) {}

  absl::Duration Now() const { return clock_.Steady(); }

  void Record(const Uri& uri, const char* operation, absl::Duration began, absl::StatusCode code) {
    const prometheus::Labels labels = {{"store", uri.scheme()}, {"operation", operation}};
    seconds_.Add(labels, prometheus::Histogram::BucketBoundaries{.001, .01, .1, 1, 10, 100})
        .Observe(absl::ToDoubleSeconds(clock_.Steady() - began));
    prometheus::Labels with_code = labels;
    // What an alert waits for is there from the first operation on, so that the first one shows as an increase.
    with_code["code"] = CodeLabel(absl::StatusCode::kResourceExhausted);
    operations_.Add(with_code);
    with_code["code"] = CodeLabel(code);
    operations_.Add(with_code).Increment();
  }

  void AddBytes(const Uri& uri, const char* direction, size_t bytes) {
    bytes_.Add({{"store", uri.scheme()}, {"direction", direction}}).Increment(static_cast<double>(bytes));
  }

 private:
  const Clock& clock_;
  prometheus::Family<prometheus::Histogram>& seconds_;
  prometheus::Family<prometheus::Counter>& operations_;
  prometheus::Family<prometheus::Counter>& bytes_;
};

namespace {

// A file counts once, when it is finished or given up.
class MeteredWriter final : public ObjectWriter {
 public:
  MeteredWriter(std::unique_ptr<ObjectWriter> writer, Uri uri, std::shared_ptr<StoreMetrics> metrics,
                absl::Duration began)
      : writer_(std::move(writer)), uri_(std::move(uri)), metrics_(std::move(metrics)), began_(began) {}

  ~MeteredWriter() override { metrics_->Record(uri_, "write", began_, code_); }

  absl::Status Write(std::span<const std::byte> bytes) override {
    absl::Status status = writer_->Write(bytes);
    if (status.ok()) metrics_->AddBytes(uri_, "written", bytes.size());
    if (!status.ok()) code_ = status.code();
    return status;
  }

  absl::Status Finish() override {
    absl::Status status = writer_->Finish();
    code_ = status.code();
    return status;
  }

 private:
  const std::unique_ptr<ObjectWriter> writer_;
  const Uri uri_;
  const std::shared_ptr<StoreMetrics> metrics_;
  const absl::Duration began_;
  // Of a writer that is dropped.
  absl::StatusCode code_ = absl::StatusCode::kCancelled;
};

absl::StatusCode CodeOf(const absl::Status& status) { return status.code(); }
template <class T>
absl::StatusCode CodeOf(const absl::StatusOr<T>& result) {
  return result.status().code();
}

class MeteredStore final : public ObjectStore {
 public:
  MeteredStore(std::unique_ptr<ObjectStore> store, std::shared_ptr<StoreMetrics> metrics)
      : store_(std::move(store)), metrics_(std::move(metrics)) {}

  absl::StatusOr<ObjectInfo> Stat(const Uri& uri) override {
    return Timed(uri, "stat", [&] { return store_->Stat(uri); });
  }
  absl::StatusOr<std::vector<ObjectInfo>> List(const Uri& folder) override {
    return Timed(folder, "list", [&] { return store_->List(folder); });
  }
  absl::Status ReadRange(const Uri& uri, int64_t offset, std::span<std::byte> out) override {
    absl::Status status = Timed(uri, "read", [&] { return store_->ReadRange(uri, offset, out); });
    if (status.ok()) metrics_->AddBytes(uri, "read", out.size());
    return status;
  }
  absl::StatusOr<std::unique_ptr<ObjectWriter>> OpenWriter(const Uri& uri) override {
    const absl::Duration began = metrics_->Now();
    auto writer = store_->OpenWriter(uri);
    if (writer.ok()) return std::make_unique<MeteredWriter>(*std::move(writer), uri, metrics_, began);
    metrics_->Record(uri, "write", began, writer.status().code());
    return writer;
  }
  absl::Status CheckWritable(const Uri& folder) override {
    return Timed(folder, "check", [&] { return store_->CheckWritable(folder); });
  }
  absl::Status Copy(const Uri& from, const Uri& to) override {
    return Timed(to, "copy", [&] { return store_->Copy(from, to); });
  }
  absl::Status Share(const Uri& from, const Uri& to) override {
    return Timed(to, "copy", [&] { return store_->Share(from, to); });
  }
  absl::Status Delete(const Uri& uri) override {
    return Timed(uri, "delete", [&] { return store_->Delete(uri); });
  }
  absl::Status DeleteFolder(const Uri& folder) override {
    return Timed(folder, "delete", [&] { return store_->DeleteFolder(folder); });
  }
  absl::Status DeletePartialWrites(const Uri& folder, absl::Time older_than) override {
    return Timed(folder, "delete", [&] { return store_->DeletePartialWrites(folder, older_than); });
  }

 private:
  template <class Operation>
  auto Timed(const Uri& uri, const char* name, const Operation& operation) -> decltype(operation()) {
    const absl::Duration began = metrics_->Now();
    auto result = operation();
    metrics_->Record(uri, name, began, CodeOf(result));
    return result;
  }

  const std::unique_ptr<ObjectStore> store_;
  const std::shared_ptr<StoreMetrics> metrics_;
};

}  // namespace

std::shared_ptr<StoreMetrics> MakeStoreMetrics(prometheus::Registry& registry, const Clock& clock) {
  return std::make_shared<StoreMetrics>(registry, clock);
}

std::unique_ptr<ObjectStore> MeterStore(std::unique_ptr<ObjectStore> store, std::shared_ptr<StoreMetrics> metrics) {
  return std::make_unique<MeteredStore>(std::move(store), std::move(metrics));
}

}  // namespace besa
