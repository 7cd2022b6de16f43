// Files of a test, and a folder for them that is in memory: the coordinator's tests would wait for the disk after every
// file.
#pragma once

#include <filesystem>
#include <string>

#include "absl/strings/string_view.h"
#include "storage/object/temporary_folder.h"

namespace besa::server::testing {

struct TempFolder : storage::TemporaryFolder {
  TempFolder() : storage::TemporaryFolder(storage::Medium::kMemory) {}
};

// Writes a file, and folders above it as needed.
void WriteFile(const std::filesystem::path& path, absl::string_view content);
std::string ReadFile(const std::filesystem::path& path);

}  // namespace besa::server::testing
