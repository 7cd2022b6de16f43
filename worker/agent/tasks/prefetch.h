// The next block's bytes, read ahead.
//
// A block whose tensors are being asked for is followed by the next one: on a walk, from block to block, and from job
// to job of the same model. So as soon as the first tensor of a block is read, those of the next are read in the
// background, through a store that keeps what it read (CachingStore): whoever asks for them then finds them there, or
// waits for a read that is under way. Nothing is lost if it never gets to it.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/string_view.h"
#include "storage/checkpoint/checkpoint.h"
#include "storage/object/caching_store.h"

namespace besa::worker {

// One thread that reads ranges and drops them. Thread-safe.
class Prefetcher {
 public:
  // Reads nothing that `cache` does not keep. It must outlive it.
  explicit Prefetcher(storage::CachingStore& cache);
  // Waits for the read that is under way.
  ~Prefetcher();

  // Reads these next, instead of what was asked for before and not begun.
  void Want(std::vector<storage::TensorLocation> locations);
  // Waits until there is nothing to read.
  void WaitUntilIdle();

 private:
  void Run(const std::stop_token& stop);

  storage::CachingStore& cache_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  // The first one last.
  std::vector<storage::TensorLocation> wanted_;
  bool reading_ = false;
  std::jthread thread_;
};

// The checkpoint, with the block behind the one being read read ahead. Thread-safe; both must outlive it.
class ReadAheadSource final : public storage::TensorSource {
 public:
  ReadAheadSource(const storage::Checkpoint& checkpoint, Prefetcher& prefetcher);

  absl::StatusOr<storage::TensorLocation> Find(absl::string_view name) const override;
  absl::StatusOr<storage::HostTensor> Read(absl::string_view name) const override;
  absl::Status ReadTo(absl::string_view name, const Place& place) const override;

 private:
  // If the tensor is the first of its block to be asked for: the next block's are wanted.
  void LookAhead(absl::string_view name) const;

  const storage::Checkpoint& checkpoint_;
  Prefetcher& prefetcher_;
  std::map<std::string, int64_t, std::less<>> block_of_;
  mutable std::mutex mutex_;
  mutable int64_t ahead_ = -1;
};

// Whether a worker's cache keeps what it reads of an object: weights of checkpoints and token ids, which are read again
// and again. What attempts write, and stored activations, are read once.
bool WorthCaching(const storage::Uri& uri);

}  // namespace besa::worker
