// A folder that goes away with its scope: for tests.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "storage/object/object_store.h"
#include "storage/object/uri.h"

namespace besa::storage {

// Aborts if the system gives no folder.
class TemporaryFolder {
 public:
  TemporaryFolder();
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
