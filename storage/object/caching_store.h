// A store that keeps what was read in a local folder.
//
// Every range that is read becomes a file of its own, named by a hash of address, entity tag, offset and length. Files
// appear whole, by renaming, and are never changed, so that any number of processes may share a folder and any of them
// may be killed at any moment: what it leaves is a whole file, or a temporary one that the next process removes.
//
// Bytes are kept under an entity tag only if the object had that tag before and after they were read, and are found
// under the tag that it had when it was last asked for (Stat) by this process. Whoever has to notice changes asks:
// workers do so for every input before every task.
#pragma once

#include <cstdint>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "storage/base/random.h"
#include "storage/object/object_store.h"

namespace besa::storage {

struct CacheOptions {
  // A folder on a local disk, made if it is not there. Nothing but the cache may lie in it.
  std::string folder;
  // When more bytes than that have come together, those that were used least lately go until a tenth is free.
  int64_t limit_bytes = 0;
  // Which objects are kept. Thread-safe.
  std::function<bool(const Uri&)> worth_keeping;
  // For names of temporary files. Thread-safe.
  RandomBits random;
};

struct CacheCounts {
  int64_t hits = 0;
  int64_t misses = 0;
  // Of objects worth keeping: bytes served from the folder, and fetched from the store.
  int64_t hit_bytes = 0;
  int64_t fetched_bytes = 0;
  // Bytes that could not be kept, as when the disk is full: they were served all the same.
  int64_t unkept_bytes = 0;
};

// Thread-safe. Two that want one range at once fetch it once. What is wrong with the folder costs time, never an error.
class CachingStore final : public ObjectStore {
 public:
  // Removes temporary files of earlier processes. FAILED_PRECONDITION if the folder cannot be written. `store` must
  // outlive it.
  static absl::StatusOr<std::unique_ptr<CachingStore>> Open(ObjectStore& store, CacheOptions options);

  CacheCounts counts() const;

  // Whether bytes of the object are kept: it is worth it, and its store tells its contents apart.
  bool Keeps(const Uri& uri);

  absl::StatusOr<ObjectInfo> Stat(const Uri& uri) override;
  absl::StatusOr<std::vector<ObjectInfo>> List(const Uri& folder) override;
  absl::Status ReadRange(const Uri& uri, int64_t offset, std::span<std::byte> out) override;
  absl::StatusOr<std::unique_ptr<ObjectWriter>> OpenWriter(const Uri& uri) override;
  absl::Status CheckWritable(const Uri& folder) override;
  absl::Status Copy(const Uri& from, const Uri& to) override;
  absl::Status Share(const Uri& from, const Uri& to) override;
  absl::Status Delete(const Uri& uri) override;
  absl::Status DeleteFolder(const Uri& folder) override;
  absl::Status DeletePartialWrites(const Uri& folder, absl::Time older_than) override;

 private:
  CachingStore(ObjectStore& store, CacheOptions options) : store_(store), options_(std::move(options)) {}

  absl::StatusOr<std::string> TagOf(const Uri& uri);
  bool ReadKept(const std::string& file, std::span<std::byte> out);
  absl::Status Fetch(const Uri& uri, const std::string& tag, const std::string& file, int64_t offset,
                     std::span<std::byte> out);
  bool Keep(const std::string& file, std::span<const std::byte> bytes);
  // Counts what lies in the folder and makes room.
  void MakeRoom();

  ObjectStore& store_;
  const CacheOptions options_;

  mutable std::mutex mutex_;
  // By address.
  std::map<std::string, std::string> tags_;
  // By file: being fetched by somebody.
  std::map<std::string, std::shared_future<void>> under_way_;
  // As far as this process knows.
  int64_t kept_bytes_ = 0;
  CacheCounts counts_;
};

}  // namespace besa::storage
