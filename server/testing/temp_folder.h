// A folder for one test.
#pragma once

#include <filesystem>
#include <string>

#include "absl/strings/string_view.h"
#include "storage/object/uri.h"

namespace besa::server::testing {

// A fresh folder; it and what is in it go away with the object. Aborts if it cannot be made.
class TempFolder {
 public:
  TempFolder();
  ~TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  storage::Uri uri() const;
  storage::Uri operator/(absl::string_view relative) const { return uri().Join(relative); }

 private:
  std::filesystem::path path_;
};

// Writes a file, and folders above it as needed.
void WriteFile(const std::filesystem::path& path, absl::string_view content);
std::string ReadFile(const std::filesystem::path& path);

}  // namespace besa::server::testing
