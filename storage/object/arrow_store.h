// An object store over one of Arrow's file systems.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "storage/object/object_store.h"

namespace arrow {
class Status;
namespace fs {
class FileSystem;
struct FileInfo;
}  // namespace fs
namespace io {
class RandomAccessFile;
}
}  // namespace arrow

namespace besa::storage {

// What all of Arrow's file systems have in common. It suits a file system whose writes appear when they are closed, as
// they do on S3; FolderStore adds what local files need for that. Thread-safe.
class ArrowStore : public ObjectStore {
 public:
  // `scheme` is that of the addresses it serves.
  ArrowStore(std::string scheme, std::shared_ptr<arrow::fs::FileSystem> files);
  ~ArrowStore() override;

  absl::StatusOr<ObjectInfo> Stat(const Uri& uri) override;
  absl::StatusOr<std::vector<ObjectInfo>> List(const Uri& folder) override;
  // Large ranges are read by several requests at once.
  absl::Status ReadRange(const Uri& uri, int64_t offset, std::span<std::byte> out) override;
  absl::StatusOr<std::unique_ptr<ObjectWriter>> OpenWriter(const Uri& uri) override;
  absl::Status CheckWritable(const Uri& folder) override;
  absl::Status Copy(const Uri& from, const Uri& to) override;
  absl::Status Delete(const Uri& uri) override;
  absl::Status DeleteFolder(const Uri& folder) override;
  absl::Status DeletePartialWrites(const Uri& folder, absl::Time older_than) override;

 protected:
  arrow::fs::FileSystem& files() { return *files_; }
  // The address of a path of this file system. INVALID_ARGUMENT for names that no Uri can hold.
  absl::StatusOr<Uri> UriOf(absl::string_view path) const;
  static ObjectInfo InfoOf(const Uri& uri, const arrow::fs::FileInfo& info);
  // Fills `out` from an opened file, large ranges by several reads at once.
  static absl::Status ReadPieces(arrow::io::RandomAccessFile& file, const Uri& uri, int64_t offset,
                                 std::span<std::byte> out);

 private:
  std::string scheme_;
  std::shared_ptr<arrow::fs::FileSystem> files_;
};

// Arrow's error as ours, naming the URI.
absl::Status FromArrow(const arrow::Status& status, const Uri& uri);

}  // namespace besa::storage
