#include "storage/object/arrow_store.h"

#include <arrow/filesystem/filesystem.h>
#include <arrow/io/interfaces.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/util/future.h>
#include <arrow/util/io_util.h>
#include <arrow/util/thread_pool.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "storage/base/status_macros.h"
#include "storage/object/store_error.h"

namespace besa::storage {
namespace {

using ::arrow::fs::FileInfo;
using ::arrow::fs::FileType;

// Enough for a request to S3 to be worth its round trip, small enough that a tensor of a large model is several.
constexpr int64_t kParallelPiece = 16 << 20;

absl::StatusCode CodeOf(const arrow::Status& status) {
  if (const int error = arrow::internal::ErrnoFromStatus(status); error != 0) return CodeFromErrno(error);
  switch (status.code()) {
    case arrow::StatusCode::Invalid:
      return absl::StatusCode::kInvalidArgument;
    case arrow::StatusCode::OutOfMemory:
    case arrow::StatusCode::CapacityError:
      return absl::StatusCode::kResourceExhausted;
    case arrow::StatusCode::Cancelled:
      return absl::StatusCode::kCancelled;
    case arrow::StatusCode::NotImplemented:
      return absl::StatusCode::kUnimplemented;
    case arrow::StatusCode::IOError:
      return absl::StatusCode::kUnavailable;
    default:
      return absl::StatusCode::kInternal;
  }
}

absl::Status NotFound(const Uri& uri) { return absl::NotFoundError(absl::StrCat(uri.ToString(), ": not found")); }

class ArrowWriter final : public ObjectWriter {
 public:
  ArrowWriter(Uri uri, std::shared_ptr<arrow::io::OutputStream> stream)
      : uri_(std::move(uri)), stream_(std::move(stream)) {}
  ~ArrowWriter() override {
    // Nobody can be told if this fails, and nothing was promised.
    if (!stream_->closed()) (void)stream_->Abort();
  }

  absl::Status Write(std::span<const std::byte> bytes) override {
    return FromArrow(stream_->Write(bytes.data(), static_cast<int64_t>(bytes.size())), uri_);
  }
  absl::Status Finish() override { return FromArrow(stream_->Close(), uri_); }

 private:
  Uri uri_;
  std::shared_ptr<arrow::io::OutputStream> stream_;
};

absl::Status ReadPiece(arrow::io::RandomAccessFile& file, const Uri& uri, int64_t offset, std::span<std::byte> out) {
  const auto read = file.ReadAt(offset, static_cast<int64_t>(out.size()), out.data());
  if (!read.ok()) return FromArrow(read.status(), uri);
  if (*read != static_cast<int64_t>(out.size())) {
    return absl::OutOfRangeError(absl::StrCat(uri.ToString(), ": ends before byte ", offset + out.size()));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status FromArrow(const arrow::Status& status, const Uri& uri) {
  if (status.ok()) return absl::OkStatus();
  return absl::Status(CodeOf(status), absl::StrCat(uri.ToString(), ": ", status.message()));
}

ArrowStore::ArrowStore(std::string scheme, std::shared_ptr<arrow::fs::FileSystem> files)
    : scheme_(std::move(scheme)), files_(std::move(files)) {}

ArrowStore::~ArrowStore() = default;

absl::StatusOr<Uri> ArrowStore::UriOf(absl::string_view path) const {
  return Uri::Parse(absl::StrCat(scheme_, "://", path), "path");
}

ObjectInfo ArrowStore::InfoOf(const Uri& uri, const FileInfo& info) {
  return {
      .uri = uri, .size = info.size(), .etag = absl::StrCat(info.size(), "-", info.mtime().time_since_epoch().count())};
}

absl::StatusOr<ObjectInfo> ArrowStore::Stat(const Uri& uri) {
  const auto info = files_->GetFileInfo(uri.path());
  if (!info.ok()) return FromArrow(info.status(), uri);
  // A folder is not an object, as on S3.
  if (info->type() != FileType::File) return NotFound(uri);
  return InfoOf(uri, *info);
}

absl::StatusOr<std::vector<ObjectInfo>> ArrowStore::List(const Uri& folder) {
  arrow::fs::FileSelector selector;
  selector.base_dir = folder.path();
  selector.recursive = true;
  selector.allow_not_found = true;
  const auto infos = files_->GetFileInfo(selector);
  if (!infos.ok()) return FromArrow(infos.status(), folder);
  std::vector<ObjectInfo> objects;
  for (const FileInfo& info : *infos) {
    if (info.type() != FileType::File) continue;
    // A name that no Uri can hold cannot be asked for either.
    if (const auto uri = UriOf(info.path()); uri.ok()) objects.push_back(InfoOf(*uri, info));
  }
  std::ranges::sort(objects, {}, [](const ObjectInfo& object) { return object.uri.path(); });
  return objects;
}

absl::Status ArrowStore::ReadRange(const Uri& uri, int64_t offset, std::span<std::byte> out) {
  if (offset < 0) return absl::OutOfRangeError(absl::StrCat(uri.ToString(), ": negative offset ", offset));
  const auto opened = files_->OpenInputFile(uri.path());
  if (!opened.ok()) {
    // Opening a folder fails in ways that look as if they might pass.
    const absl::Status status = Stat(uri).status();
    return absl::IsNotFound(status) ? status : FromArrow(opened.status(), uri);
  }
  return ReadPieces(**opened, uri, offset, out);
}

absl::Status ArrowStore::ReadPieces(arrow::io::RandomAccessFile& file, const Uri& uri, int64_t offset,
                                    std::span<std::byte> out) {
  const auto size = static_cast<int64_t>(out.size());
  if (size <= kParallelPiece) return ReadPiece(file, uri, offset, out);
  std::vector<arrow::Future<absl::Status>> pieces;
  for (int64_t done = 0; done < size; done += kParallelPiece) {
    const auto part =
        out.subspan(static_cast<size_t>(done), static_cast<size_t>(std::min(kParallelPiece, size - done)));
    const auto piece = arrow::io::default_io_context().executor()->Submit(
        [&file, &uri, at = offset + done, part] { return arrow::Result(ReadPiece(file, uri, at, part)); });
    if (!piece.ok()) {
      for (const auto& started : pieces) started.Wait();
      return FromArrow(piece.status(), uri);
    }
    pieces.push_back(*piece);
  }
  // Every piece is waited for, failed or not: they write into the caller's memory.
  absl::Status status;
  for (const auto& piece : pieces) {
    const arrow::Result<absl::Status>& read = piece.result();
    status.Update(read.ok() ? *read : FromArrow(read.status(), uri));
  }
  return status;
}

absl::StatusOr<std::unique_ptr<ObjectWriter>> ArrowStore::OpenWriter(const Uri& uri) {
  auto stream = files_->OpenOutputStream(uri.path(), nullptr);
  if (!stream.ok()) return FromArrow(stream.status(), uri);
  return std::make_unique<ArrowWriter>(uri, *std::move(stream));
}

absl::Status ArrowStore::CheckWritable(const Uri& folder) {
  ASSIGN_OR_RETURN(const std::unique_ptr<ObjectWriter> probe, OpenWriter(folder.Join(".besa-write-check")));
  const std::byte byte{0};
  // Never finished, so it never appears.
  return probe->Write(std::span(&byte, 1));
}

absl::Status ArrowStore::Copy(const Uri& from, const Uri& to) {
  return FromArrow(files_->CopyFile(from.path(), to.path()), from);
}

absl::Status ArrowStore::Delete(const Uri& uri) {
  const absl::Status status = FromArrow(files_->DeleteFile(uri.path()), uri);
  return absl::IsNotFound(status) ? absl::OkStatus() : status;
}

absl::Status ArrowStore::DeleteFolder(const Uri& folder) {
  const absl::Status status = FromArrow(files_->DeleteDir(folder.path()), folder);
  return absl::IsNotFound(status) ? absl::OkStatus() : status;
}

absl::Status ArrowStore::DeletePartialWrites(const Uri&, absl::Time) { return absl::OkStatus(); }

}  // namespace besa::storage
