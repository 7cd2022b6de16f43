#include "storage/object/caching_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "storage/base/error_info.h"
#include "storage/base/sha256.h"
#include "storage/base/status_macros.h"

namespace besa::storage {
namespace {

namespace fs = std::filesystem;

constexpr char kTemporary[] = "tmp-";
// A writer that is alive renames its file long before.
constexpr auto kAbandoned = std::chrono::hours(1);
// Objects whose tags are remembered at most; beyond that all are asked anew.
constexpr size_t kMostTags = 100'000;

// Closes it.
class File {
 public:
  explicit File(int descriptor) : descriptor_(descriptor) {}
  ~File() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  bool open() const { return descriptor_ >= 0; }
  int descriptor() const { return descriptor_; }

 private:
  int descriptor_;
};

bool ReadWhole(const File& file, std::span<std::byte> out) {
  size_t done = 0;
  while (done < out.size()) {
    const ssize_t read = ::read(file.descriptor(), out.data() + done, out.size() - done);
    if (read < 0 && errno == EINTR) continue;
    if (read <= 0) return false;
    done += static_cast<size_t>(read);
  }
  return true;
}

bool WriteWhole(const File& file, std::span<const std::byte> bytes) {
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t written = ::write(file.descriptor(), bytes.data() + done, bytes.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    done += static_cast<size_t>(written);
  }
  return true;
}

void RemoveAbandoned(const std::string& folder) {
  std::error_code error;
  const auto now = fs::file_time_type::clock::now();
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (!absl::StartsWith(entry.path().filename().string(), kTemporary)) continue;
    const auto written = entry.last_write_time(error);
    if (!error && now - written > kAbandoned) fs::remove(entry.path(), error);
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<CachingStore>> CachingStore::Open(ObjectStore& store, CacheOptions options) {
  if (options.limit_bytes <= 0) return FieldError("cache limit", absl::StrCat(options.limit_bytes), "1 byte or more");
  std::error_code error;
  fs::create_directories(options.folder, error);
  if (error || access(options.folder.c_str(), R_OK | W_OK | X_OK) != 0) {
    return FieldError("cache folder", options.folder, "a folder on a local disk that may be written");
  }
  RemoveAbandoned(options.folder);
  std::unique_ptr<CachingStore> cache(new CachingStore(store, std::move(options)));
  cache->MakeRoom();
  return cache;
}

CacheCounts CachingStore::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

bool CachingStore::Keeps(const Uri& uri) {
  if (!options_.worth_keeping(uri)) return false;
  const auto tag = TagOf(uri);
  return tag.ok() && !tag->empty();
}

absl::StatusOr<ObjectInfo> CachingStore::Stat(const Uri& uri) {
  ASSIGN_OR_RETURN(ObjectInfo info, store_.Stat(uri));
  if (options_.worth_keeping(uri)) {
    const std::lock_guard lock(mutex_);
    if (tags_.size() >= kMostTags) tags_.clear();
    tags_[uri.ToString()] = info.etag;
  }
  return info;
}

absl::StatusOr<std::string> CachingStore::TagOf(const Uri& uri) {
  {
    const std::lock_guard lock(mutex_);
    if (const auto known = tags_.find(uri.ToString()); known != tags_.end()) return known->second;
  }
  ASSIGN_OR_RETURN(const ObjectInfo info, Stat(uri));
  return info.etag;
}

absl::Status CachingStore::ReadRange(const Uri& uri, int64_t offset, std::span<std::byte> out) {
  if (out.empty() || static_cast<int64_t>(out.size()) > options_.limit_bytes || !options_.worth_keeping(uri)) {
    return store_.ReadRange(uri, offset, out);
  }
  ASSIGN_OR_RETURN(const std::string tag, TagOf(uri));
  // Without a tag nothing tells one content from another.
  if (tag.empty()) return store_.ReadRange(uri, offset, out);
  const std::string file = absl::StrCat(
      options_.folder, "/", Sha256Hex(absl::StrCat(uri.ToString(), "\n", tag, "\n", offset, "\n", out.size())));
  while (true) {
    if (ReadKept(file, out)) return absl::OkStatus();
    std::promise<void> done;
    std::shared_future<void> somebody;
    {
      const std::lock_guard lock(mutex_);
      const auto [found, mine] = under_way_.try_emplace(file);
      if (mine) {
        found->second = done.get_future().share();
      } else {
        somebody = found->second;
      }
    }
    if (!somebody.valid()) {
      const absl::Status status = Fetch(uri, tag, file, offset, out);
      const std::lock_guard lock(mutex_);
      under_way_.erase(file);
      done.set_value();
      return status;
    }
    somebody.wait();
    // If they failed, or could not keep it, it is our turn.
    if (ReadKept(file, out)) return absl::OkStatus();
  }
}

bool CachingStore::ReadKept(const std::string& path, std::span<std::byte> out) {
  const File file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat about = {};
  if (!file.open() || fstat(file.descriptor(), &about) != 0) return false;
  if (about.st_size != static_cast<off_t>(out.size()) || !ReadWhole(file, out)) return false;
  // Used just now.
  futimens(file.descriptor(), nullptr);
  const std::lock_guard lock(mutex_);
  ++counts_.hits;
  counts_.hit_bytes += static_cast<int64_t>(out.size());
  return true;
}

absl::Status CachingStore::Fetch(const Uri& uri, const std::string& tag, const std::string& file, int64_t offset,
                                 std::span<std::byte> out) {
  RETURN_IF_ERROR(store_.ReadRange(uri, offset, out));
  const auto after = store_.Stat(uri);
  const bool same = after.ok() && after->etag == tag;
  const bool kept = same && Keep(file, out);
  bool full = false;
  {
    const std::lock_guard lock(mutex_);
    ++counts_.misses;
    counts_.fetched_bytes += static_cast<int64_t>(out.size());
    (kept ? kept_bytes_ : counts_.unkept_bytes) += static_cast<int64_t>(out.size());
    // The next reader asks.
    if (!same) tags_.erase(uri.ToString());
    full = kept_bytes_ > options_.limit_bytes;
  }
  if (full) MakeRoom();
  return absl::OkStatus();
}

bool CachingStore::Keep(const std::string& path, std::span<const std::byte> bytes) {
  const std::string temporary =
      absl::StrCat(options_.folder, "/", kTemporary, absl::Hex(options_.random()), "-", absl::Hex(options_.random()));
  bool whole = false;
  {
    const File file(open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!file.open()) return false;
    // On the disk before it gets its name: a loss of power leaves no file of the right length and wrong content.
    whole = WriteWhole(file, bytes) && fdatasync(file.descriptor()) == 0;
  }
  if (whole && rename(temporary.c_str(), path.c_str()) == 0) return true;
  unlink(temporary.c_str());
  return false;
}

void CachingStore::MakeRoom() {
  struct Kept {
    fs::file_time_type used;
    int64_t bytes;
    fs::path path;
  };
  std::vector<Kept> files;
  int64_t total = 0;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(options_.folder, error)) {
    std::error_code gone;
    if (absl::StartsWith(entry.path().filename().string(), kTemporary)) continue;
    const Kept kept{entry.last_write_time(gone), static_cast<int64_t>(entry.file_size(gone)), entry.path()};
    // Another process removed it.
    if (gone) continue;
    total += kept.bytes;
    files.push_back(kept);
  }
  if (total > options_.limit_bytes) {
    std::ranges::sort(files, {}, &Kept::used);
    for (const Kept& kept : files) {
      if (total <= options_.limit_bytes - options_.limit_bytes / 10) break;
      fs::remove(kept.path, error);
      total -= kept.bytes;
    }
  }
  const std::lock_guard lock(mutex_);
  kept_bytes_ = total;
}

absl::StatusOr<std::vector<ObjectInfo>> CachingStore::List(const Uri& folder) { return store_.List(folder); }

absl::StatusOr<std::unique_ptr<ObjectWriter>> CachingStore::OpenWriter(const Uri& uri) {
  return store_.OpenWriter(uri);
}

absl::Status CachingStore::CheckWritable(const Uri& folder) { return store_.CheckWritable(folder); }

absl::Status CachingStore::Copy(const Uri& from, const Uri& to) { return store_.Copy(from, to); }

absl::Status CachingStore::Share(const Uri& from, const Uri& to) { return store_.Share(from, to); }

absl::Status CachingStore::Delete(const Uri& uri) { return store_.Delete(uri); }

absl::Status CachingStore::DeleteFolder(const Uri& folder) { return store_.DeleteFolder(folder); }

absl::Status CachingStore::DeletePartialWrites(const Uri& folder, absl::Time older_than) {
  return store_.DeletePartialWrites(folder, older_than);
}

}  // namespace besa::storage
