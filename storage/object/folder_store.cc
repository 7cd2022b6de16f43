#include "storage/object/folder_store.h"

#include <arrow/filesystem/filesystem.h>
#include <arrow/filesystem/localfs.h>
#include <arrow/result.h>
#include <arrow/status.h>

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "storage/base/status_macros.h"
#include "storage/object/local_files.h"

namespace besa::storage {
namespace {

using ::arrow::fs::FileInfo;
using ::arrow::fs::FileType;

constexpr absl::string_view kPartialPrefix = ".besa-part-";

Uri FolderOf(const Uri& uri) {
  const size_t slash = uri.path().rfind('/');
  return *Uri::Parse(slash == 0 ? "/" : uri.path().substr(0, slash));
}

// Moves a whole, flushed file to its address.
absl::Status Publish(const Uri& partial, const Uri& uri) {
  RETURN_IF_ERROR(SyncLocalPath(partial));
  RETURN_IF_ERROR(RenameLocalFile(partial, uri));
  return SyncLocalPath(FolderOf(uri));
}

class FolderWriter final : public ObjectWriter {
 public:
  FolderWriter(ArrowStore& store, Uri uri, Uri partial, std::unique_ptr<ObjectWriter> writer)
      : store_(store), uri_(std::move(uri)), partial_(std::move(partial)), writer_(std::move(writer)) {}
  ~FolderWriter() override {
    if (published_) return;
    writer_.reset();
    (void)store_.Delete(partial_);
  }

  absl::Status Write(std::span<const std::byte> bytes) override { return writer_->Write(bytes); }

  absl::Status Finish() override {
    RETURN_IF_ERROR(writer_->Finish());
    RETURN_IF_ERROR(Publish(partial_, uri_));
    published_ = true;
    return absl::OkStatus();
  }

 private:
  ArrowStore& store_;
  Uri uri_;
  Uri partial_;
  std::unique_ptr<ObjectWriter> writer_;
  bool published_ = false;
};

// Calls visit(address, info) for each file under `folder`, without following links to folders.
absl::Status WalkFiles(arrow::fs::FileSystem& files, const Uri& folder,
                       const std::function<absl::Status(const Uri&, const FileInfo&)>& visit) {
  std::vector<Uri> pending = {folder};
  while (!pending.empty()) {
    const Uri current = std::move(pending.back());
    pending.pop_back();
    arrow::fs::FileSelector selector;
    selector.base_dir = current.path();
    selector.allow_not_found = true;
    const auto infos = files.GetFileInfo(selector);
    if (!infos.ok()) {
      const absl::Status status = FromArrow(infos.status(), current);
      // Not a folder, or deleted meanwhile.
      if (absl::IsNotFound(status)) continue;
      return status;
    }
    for (const FileInfo& info : *infos) {
      // A name that no Uri can hold cannot be asked for either.
      const auto uri = current.JoinUntrusted(info.base_name(), "name");
      if (!uri.ok()) continue;
      if (info.type() == FileType::Directory && !IsLocalLink(*uri)) pending.push_back(*uri);
      if (info.type() == FileType::File) RETURN_IF_ERROR(visit(*uri, info));
    }
  }
  return absl::OkStatus();
}

}  // namespace

bool IsPartialName(absl::string_view name) {
  return absl::StartsWith(name, kPartialPrefix) && name.size() == kPartialPrefix.size() + 16;
}

FolderStore::FolderStore(std::function<uint64_t()> random)
    : ArrowStore("file", std::make_shared<arrow::fs::LocalFileSystem>()), random_(std::move(random)) {}

absl::StatusOr<std::vector<ObjectInfo>> FolderStore::List(const Uri& folder) {
  std::vector<ObjectInfo> objects;
  RETURN_IF_ERROR(WalkFiles(files(), folder, [&](const Uri& uri, const FileInfo& info) {
    if (!IsPartialName(uri.name())) objects.push_back(InfoOf(uri, info));
    return absl::OkStatus();
  }));
  std::ranges::sort(objects, {}, [](const ObjectInfo& object) { return object.uri.path(); });
  return objects;
}

absl::StatusOr<Uri> FolderStore::PartialBeside(const Uri& uri) {
  const Uri folder = FolderOf(uri);
  RETURN_IF_ERROR(FromArrow(files().CreateDir(folder.path(), /*recursive=*/true), folder));
  return folder.Join(absl::StrCat(kPartialPrefix, absl::Hex(random_(), absl::kZeroPad16)));
}

absl::StatusOr<std::unique_ptr<ObjectWriter>> FolderStore::OpenWriter(const Uri& uri) {
  ASSIGN_OR_RETURN(Uri partial, PartialBeside(uri));
  ASSIGN_OR_RETURN(auto writer, ArrowStore::OpenWriter(partial));
  return std::make_unique<FolderWriter>(*this, uri, std::move(partial), std::move(writer));
}

absl::Status FolderStore::CheckWritable(const Uri& folder) { return CheckLocalFolderWritable(folder); }

absl::Status FolderStore::Copy(const Uri& from, const Uri& to) {
  return CopyBy([&](const Uri& partial) { return CopyLocalFile(from, partial); }, from, to);
}

absl::Status FolderStore::Share(const Uri& from, const Uri& to) {
  return CopyBy(
      [&](const Uri& partial) {
        const absl::Status linked = LinkLocalFile(from, partial);
        return absl::IsUnimplemented(linked) ? CopyLocalFile(from, partial) : linked;
      },
      from, to);
}

absl::Status FolderStore::CopyBy(const std::function<absl::Status(const Uri& partial)>& make, const Uri& from,
                                 const Uri& to) {
  // Before a folder is made for what then cannot be copied.
  RETURN_IF_ERROR(Stat(from).status());
  ASSIGN_OR_RETURN(const Uri partial, PartialBeside(to));
  absl::Status status = make(partial);
  if (status.ok()) status = Publish(partial, to);
  // Also where all went well: between two names of one file a renaming does nothing.
  (void)Delete(partial);
  return status;
}

absl::Status FolderStore::DeletePartialWrites(const Uri& folder, absl::Time older_than) {
  return WalkFiles(files(), folder, [&](const Uri& uri, const FileInfo& info) {
    const bool leftover = IsPartialName(uri.name()) && absl::FromChrono(info.mtime()) < older_than;
    return leftover ? Delete(uri) : absl::OkStatus();
  });
}

}  // namespace besa::storage
