// A folder that goes away with its scope: for tests.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "storage/object/object_store.h"
#include "storage/object/uri.h"

namespace besa::storage {

enum class Medium {
  // Where temporary files go: a file system like any other.
  kDisk,
  // In memory where the system has such a folder: for tests that would wait for the disk after every file.
  kMemory
};

// Aborts if the system gives no folder.
class TemporaryFolder {
 public:
  explicit TemporaryFolder(Medium medium = Medium::kDisk);
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  // Symbolic links in it are resolved.
  const std::filesystem::path& path() const { return path_; }
  Uri uri() const;
  // The address of something in it.
  Uri operator/(absl::string_view relative) const { return uri().Join(relative); }

 private:
  std::filesystem::path path_;
};

// A store confined to that folder.
std::unique_ptr<ObjectStore> OpenStoreIn(const TemporaryFolder& folder);

}  // namespace besa::storage
