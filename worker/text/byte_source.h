// Bytes that come one after the other: a stored file, or what a decompressor makes of one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "absl/status/statusor.h"
#include "storage/object/object_store.h"

namespace besa::text {

// Not thread-safe.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // Fills `out` from its front with at least one byte and returns how many; 0 means the end.
  virtual absl::StatusOr<size_t> Read(std::span<std::byte> out) = 0;
};

// Called after each piece with the bytes read of the stored file and its size; false stops with CANCELLED.
using ReadProgress = std::function<bool(int64_t done, int64_t total)>;

// A stored object from begin to end. `store` must outlive it. `progress` may be empty.
std::unique_ptr<ByteSource> OpenObject(storage::ObjectStore& store, const storage::ObjectInfo& object,
                                       ReadProgress progress);

}  // namespace besa::text
