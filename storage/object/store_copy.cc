// store_copy in|out FOLDER URI NAME...: files of a folder into a store, or objects out of it into memory, in the way in
// which workers write shards and read weights. For the throughput benchmark.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <span>
#include <string>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "storage/base/status_macros.h"
#include "storage/object/open_store.h"

namespace besa::storage {
namespace {

// The largest tensor of a 70B model: a weight of its MLP, [28672, 8192] in bfloat16.
constexpr int64_t kTensorBytes = int64_t{448} << 20;

// A worker's tensors are in its memory, and so is the file: it is mapped, not read into a buffer.
absl::Status CopyIn(ObjectStore& store, const std::string& path, const Uri& to) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return absl::ErrnoToStatus(errno, path);
  const absl::Cleanup close_file = [file] { close(file); };
  struct stat info = {};
  if (fstat(file, &info) != 0) return absl::ErrnoToStatus(errno, path);
  const auto size = static_cast<size_t>(info.st_size);
  void* const content = mmap(nullptr, size, PROT_READ, MAP_SHARED, file, 0);
  if (content == MAP_FAILED) return absl::ErrnoToStatus(errno, path);
  const absl::Cleanup unmap = [content, size] { munmap(content, size); };

  ASSIGN_OR_RETURN(const auto writer, store.OpenWriter(to));
  const std::span<const std::byte> bytes(static_cast<const std::byte*>(content), size);
  for (size_t done = 0; done < size; done += kTensorBytes) {
    RETURN_IF_ERROR(writer->Write(bytes.subspan(done, std::min<size_t>(kTensorBytes, size - done))));
  }
  return writer->Finish();
}

absl::Status CopyOut(ObjectStore& store, const Uri& from) {
  ASSIGN_OR_RETURN(const ObjectInfo info, store.Stat(from));
  std::vector<std::byte> buffer(kTensorBytes);
  for (int64_t done = 0; done < info.size; done += kTensorBytes) {
    const auto size = static_cast<size_t>(std::min(kTensorBytes, info.size - done));
    RETURN_IF_ERROR(store.ReadRange(from, done, std::span(buffer).first(size)));
  }
  return absl::OkStatus();
}

absl::Status Run(std::span<char*> arguments) {
  if (arguments.size() < 5) return absl::InvalidArgumentError("store_copy in|out FOLDER URI NAME...");
  const std::string direction = arguments[1];
  ASSIGN_OR_RETURN(const Uri uri, Uri::Parse(arguments[3]));
  ASSIGN_OR_RETURN(const auto store, OpenStore({.allowed_prefixes = {arguments[3]}}));
  for (const char* const name : arguments.subspan(4)) {
    const absl::Status status = direction == "in"
                                    ? CopyIn(*store, absl::StrCat(arguments[2], "/", name), uri.Join(name))
                                    : CopyOut(*store, uri.Join(name));
    RETURN_IF_ERROR(status);
  }
  return absl::OkStatus();
}

}  // namespace
}  // namespace besa::storage

int main(int argc, char** argv) {
  const absl::Status status = besa::storage::Run({argv, static_cast<size_t>(argc)});
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
