// Object stores behind one interface.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "storage/object/uri.h"

namespace besa::storage {

struct ObjectInfo {
  Uri uri;
  // Bytes.
  int64_t size = 0;
  // Changes whenever the content does: the store's entity tag, or size and modification time of a file. A listing may
  // leave it empty (S3).
  std::string etag;
};

// A streamed write. Nothing is visible at the address until Finish returns OK; then everything is. Destroying a writer
// that was not finished discards what it wrote. Not thread-safe.
class ObjectWriter {
 public:
  virtual ~ObjectWriter() = default;
  virtual absl::Status Write(std::span<const std::byte> bytes) = 0;
  virtual absl::Status Finish() = 0;
};

// Thread-safe. Errors: NOT_FOUND for what is not there, PERMISSION_DENIED, RESOURCE_EXHAUSTED for a full disk,
// UNAVAILABLE for whatever may pass when tried again; each names the URI.
class ObjectStore {
 public:
  virtual ~ObjectStore() = default;

  virtual absl::StatusOr<ObjectInfo> Stat(const Uri& uri) = 0;
  // All objects under `folder`, at any depth, sorted by address; a folder that is not there has none.
  virtual absl::StatusOr<std::vector<ObjectInfo>> List(const Uri& folder) = 0;
  // Fills `out` with the bytes from `offset` on. OUT_OF_RANGE if the object is shorter than that.
  virtual absl::Status ReadRange(const Uri& uri, int64_t offset, std::span<std::byte> out) = 0;
  // Replaces whatever was at the address.
  virtual absl::StatusOr<std::unique_ptr<ObjectWriter>> OpenWriter(const Uri& uri) = 0;
  // Whether objects could be written under `folder`, as far as that can be told while leaving nothing behind.
  // PERMISSION_DENIED, or FAILED_PRECONDITION if a file stands where a folder should.
  virtual absl::Status CheckWritable(const Uri& folder) = 0;
  // Copies inside the store where both lie in one (the bytes do not pass through this process), else streams.
  virtual absl::Status Copy(const Uri& from, const Uri& to) = 0;
  // Copy for what nobody ever changes in place, at neither address: where the store can do that at once, `to` becomes a
  // second name of the same bytes, which stay until both are deleted or replaced. Each name can be.
  virtual absl::Status Share(const Uri& from, const Uri& to) { return Copy(from, to); }
  // Deleting what is not there is OK.
  virtual absl::Status Delete(const Uri& uri) = 0;
  // Everything under the folder, and the folder. Deleting what is not there is OK.
  virtual absl::Status DeleteFolder(const Uri& folder) = 0;
  // Removes what killed writers left under the folder (List does not show it), if nothing was added to it since
  // `older_than`. A store whose unfinished writes are not files does nothing.
  virtual absl::Status DeletePartialWrites(const Uri& folder, absl::Time older_than) = 0;
};

// The whole object. RESOURCE_EXHAUSTED if it is larger than `limit` bytes: for configuration files and text, not
// weights.
absl::StatusOr<std::string> ReadAll(ObjectStore& store, const Uri& uri, int64_t limit);

// Copies through this process, between two stores or inside one. Holds 8 MiB.
absl::Status StreamCopy(ObjectStore& from_store, const Uri& from, ObjectStore& to_store, const Uri& to);

// Writes `content` in one go.
absl::Status WriteAll(ObjectStore& store, const Uri& uri, absl::string_view content);

}  // namespace besa::storage
