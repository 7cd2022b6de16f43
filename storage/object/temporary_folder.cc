#include "storage/object/temporary_folder.h"

#include <cstdio>
#include <cstdlib>
#include <system_error>

#include "storage/object/open_store.h"

namespace besa::storage {
namespace {

std::filesystem::path Base(Medium medium) {
  const std::filesystem::path memory = "/dev/shm";
  return medium == Medium::kMemory && std::filesystem::is_directory(memory) ? memory
                                                                            : std::filesystem::temp_directory_path();
}

}  // namespace

TemporaryFolder::TemporaryFolder(Medium medium) {
  std::string name = (Base(medium) / "besa-test-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) {
    std::perror(name.c_str());
    std::abort();
  }
  path_ = std::filesystem::canonical(name);
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

Uri TemporaryFolder::uri() const { return *Uri::Parse(path_.string()); }

std::unique_ptr<ObjectStore> OpenStoreIn(const TemporaryFolder& folder) {
  return *OpenStore({.allowed_prefixes = {folder.path().string()}});
}

}  // namespace besa::storage
