#include "storage/object/s3_connection.h"

#include <arrow/filesystem/filesystem.h>
#include <arrow/io/interfaces.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/util/key_value_metadata.h>

#include <algorithm>
#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "storage/base/status_macros.h"
#include "storage/object/s3_error.h"
#include "storage/object/s3_library.h"

namespace besa::storage {
namespace {

using Stream = std::shared_ptr<arrow::io::OutputStream>;

// One part of an upload: large enough to be worth its request, small enough that a shard is many.
constexpr size_t kPart = 16 << 20;
// Bytes handed over and not yet known to have arrived. Arrow itself would take any number.
constexpr size_t kInFlight = 64 << 20;

// More than any error's text.
constexpr int64_t kErrorBody = 16 << 10;

// Aborts the upload. If even that fails the stream must live on: its destructor would complete the upload, and half an
// object would appear once the server is back. The bucket's lifecycle rule removes such an upload.
void Discard(Stream stream) {
  // Parts under way would outlive the upload that they belong to.
  (void)stream->Flush();
  if (stream->Abort().ok()) return;
  static std::mutex mutex;
  static auto& kept = *new std::vector<Stream>;
  const std::lock_guard lock(mutex);
  kept.push_back(std::move(stream));
}

class S3Writer final : public ObjectWriter {
 public:
  S3Writer(Uri uri, Stream stream, S3Settings settings)
      : uri_(std::move(uri)), stream_(std::move(stream)), settings_(std::move(settings)) {}
  ~S3Writer() override {
    if (!stream_->closed()) Discard(std::move(stream_));
  }

  absl::Status Write(std::span<const std::byte> bytes) override {
    while (!bytes.empty()) {
      const auto part = bytes.first(std::min(bytes.size(), kPart));
      RETURN_IF_ERROR(Told(stream_->Write(part.data(), static_cast<int64_t>(part.size()))));
      bytes = bytes.subspan(part.size());
      in_flight_ += part.size();
      if (in_flight_ < kInFlight) continue;
      RETURN_IF_ERROR(Told(stream_->Flush()));
      in_flight_ = 0;
    }
    return absl::OkStatus();
  }
  absl::Status Finish() override { return Told(stream_->Close()); }

 private:
  absl::Status Told(const arrow::Status& status) { return ExplainS3Error(FromArrow(status, uri_), uri_, settings_); }

  Uri uri_;
  Stream stream_;
  S3Settings settings_;
  size_t in_flight_ = 0;
};

}  // namespace

absl::StatusOr<std::unique_ptr<S3Connection>> S3Connection::Open(const S3Settings& settings, const S3Retries& retries) {
  ASSIGN_OR_RETURN(auto requests, NewS3Client(settings, retries, retries.requests, /*allow_delayed_open=*/false));
  ASSIGN_OR_RETURN(auto uploads, NewS3Client(settings, retries, retries.uploads, /*allow_delayed_open=*/true));
  return std::unique_ptr<S3Connection>(new S3Connection(settings, std::move(requests), std::move(uploads)));
}

S3Connection::S3Connection(S3Settings settings, std::shared_ptr<arrow::fs::FileSystem> requests,
                           std::shared_ptr<arrow::fs::FileSystem> uploads)
    : ArrowStore("s3", std::move(requests)), settings_(std::move(settings)), uploads_(std::move(uploads)) {}

absl::Status S3Connection::Explain(const absl::Status& status, const Uri& uri) const {
  return ExplainS3Error(status, uri, settings_);
}

absl::Status S3Connection::WhyNot(const Uri& uri, const absl::Status& status) {
  arrow::fs::FileInfo claimed(uri.path(), arrow::fs::FileType::File);
  claimed.set_size(kErrorBody);
  const auto file = files().OpenInputFile(claimed);
  if (!file.ok()) return status;
  // The buffer takes the error's text, and Arrow cannot tell errors apart whose text does not fit.
  std::vector<std::byte> buffer(kErrorBody);
  const absl::Status read = Explain(ReadPieces(**file, uri, 0, buffer), uri);
  return read.ok() || absl::IsOutOfRange(read) ? status : read;
}

absl::StatusOr<ObjectInfo> S3Connection::Stat(const Uri& uri) {
  const auto file = files().OpenInputFile(uri.path());
  if (!file.ok()) {
    const absl::Status status = Explain(FromArrow(file.status(), uri), uri);
    if (absl::IsUnavailable(status)) return status;
    return WhyNot(uri, status);
  }
  ObjectInfo info{.uri = uri, .size = (*file)->GetSize().ValueOr(0), .etag = ""};
  if (const auto metadata = (*file)->ReadMetadata(); metadata.ok() && *metadata != nullptr) {
    info.etag = (*metadata)->Get("ETag").ValueOr("");
  }
  return info;
}

absl::StatusOr<std::vector<ObjectInfo>> S3Connection::List(const Uri& folder) {
  auto objects = ArrowStore::List(folder);
  if (!objects.ok()) {
    const absl::Status status = Explain(objects.status(), folder);
    if (absl::IsNotFound(status)) return std::vector<ObjectInfo>{};
    return status;
  }
  for (ObjectInfo& object : *objects) object.etag.clear();
  return objects;
}

absl::Status S3Connection::ReadRange(const Uri& uri, int64_t offset, std::span<std::byte> out) {
  if (offset < 0) return absl::OutOfRangeError(absl::StrCat(uri.ToString(), ": negative offset ", offset));
  // Asks for the size, for which there is no way round: Arrow reports a range that the object cuts short as read.
  const auto file = files().OpenInputFile(uri.path());
  if (!file.ok()) {
    const absl::Status status = Explain(FromArrow(file.status(), uri), uri);
    return absl::IsUnavailable(status) ? status : WhyNot(uri, status);
  }
  if (offset + static_cast<int64_t>(out.size()) > (*file)->GetSize().ValueOr(0)) {
    return absl::OutOfRangeError(absl::StrCat(uri.ToString(), ": ends before byte ", offset + out.size()));
  }
  return Explain(ReadPieces(**file, uri, offset, out), uri);
}

absl::StatusOr<std::unique_ptr<ObjectWriter>> S3Connection::OpenWriter(const Uri& uri) {
  const auto stream = uploads_->OpenOutputStream(uri.path(), nullptr);
  if (!stream.ok()) return Explain(FromArrow(stream.status(), uri), uri);
  return std::make_unique<S3Writer>(uri, *stream, settings_);
}

absl::Status S3Connection::CheckWritable(const Uri& folder) {
  const auto stream = files().OpenOutputStream(folder.Join(".besa-write-check").path(), nullptr);
  if (!stream.ok()) return Explain(FromArrow(stream.status(), folder), folder);
  Discard(*stream);
  return absl::OkStatus();
}

absl::Status S3Connection::Copy(const Uri& from, const Uri& to) {
  // Arrow takes a copy onto itself for done without looking.
  if (from == to) return Stat(from).status();
  return Explain(ArrowStore::Copy(from, to), from);
}

absl::Status S3Connection::Delete(const Uri& uri) {
  const absl::Status status = Explain(ArrowStore::Delete(uri), uri);
  return absl::IsNotFound(status) ? absl::OkStatus() : status;
}

absl::Status S3Connection::DeleteFolder(const Uri& folder) {
  if (folder.path().find('/') == std::string::npos) {
    return absl::FailedPreconditionError(absl::StrCat(folder.ToString(), ": is a whole bucket, which is not deleted"));
  }
  const absl::Status status = Explain(ArrowStore::DeleteFolder(folder), folder);
  return absl::IsNotFound(status) ? absl::OkStatus() : status;
}

}  // namespace besa::storage
