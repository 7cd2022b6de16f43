// Local files as an object store.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "storage/object/arrow_store.h"

namespace besa::storage {

// Adds to Arrow's local files what an object store promises:
// - A write goes to a file beside, named ".besa-part-" and 16 hexadecimal digits, is flushed to the disk and renamed to
//   its address on Finish: nobody ever sees half a file, and a killed process leaves only files of such names, which
//   List does not show and DeletePartialWrites removes.
// - Folders above an address are made as needed.
// - A copy is made by the kernel (shared blocks where the file system can), under the same rule. What is shared is a
//   second name of the file (a hard link) where its file system can give it one, else a copy.
// - List does not follow symbolic links to folders: they may form loops. Links to files count as files.
class FolderStore final : public ArrowStore {
 public:
  // `random` gives the digits of partial names; it must be thread-safe and not repeat within a folder.
  explicit FolderStore(std::function<uint64_t()> random);

  absl::StatusOr<std::vector<ObjectInfo>> List(const Uri& folder) override;
  absl::StatusOr<std::unique_ptr<ObjectWriter>> OpenWriter(const Uri& uri) override;
  absl::Status CheckWritable(const Uri& folder) override;
  absl::Status Copy(const Uri& from, const Uri& to) override;
  absl::Status Share(const Uri& from, const Uri& to) override;
  absl::Status DeletePartialWrites(const Uri& folder, absl::Time older_than) override;

 private:
  // Makes a file beside `to` by make(its address), and gives it that name.
  absl::Status CopyBy(const std::function<absl::Status(const Uri& partial)>& make, const Uri& from, const Uri& to);
  // A new name beside `uri`, whose folder exists afterwards.
  absl::StatusOr<Uri> PartialBeside(const Uri& uri);

  std::function<uint64_t()> random_;
};

// Whether a file of that name is the leftover of a killed writer, or a write under way.
bool IsPartialName(absl::string_view name);

}  // namespace besa::storage
