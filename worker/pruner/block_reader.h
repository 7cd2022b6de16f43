// A block's tensors, from where they are stored to memory that the device fetches them from; the next block's while the
// device computes.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "worker/pruner/load_weights.h"
#include "worker/pruner/pruner.h"

namespace besa::pruner {

// What a block is read for.
enum class ReadFor {
  // To prune it: its bytes become those of the result.
  kPruning,
  // To compute with it alone.
  kWalking,
};

struct ReadBlock {
  // For pruning, else empty: as they are in the checkpoint, in the order asked for, and the hash of their bytes in that
  // order.
  std::vector<storage::HostTensor> tensors;
  std::string sha256;
  // The block's own, for UploadBlock. For pruning on a CPU these are views of `tensors`.
  BlockTensors staged;
};

// Reads the tensors of a block, several at a time for a GPU: a CPU has something else to do. What is read for walking
// goes straight to where the device fetches it. `step(tensors read so far)` runs in between; an error of it ends the
// reading.
absl::StatusOr<ReadBlock> ReadBlockTensors(const storage::TensorSource& source, int64_t block,
                                           const std::vector<std::string>& tensors, at::Device device, ReadFor what_for,
                                           const std::function<absl::Status(int64_t)>& step);

// Reads one block ahead, in a thread of its own: at most one block's bytes (twice, for pruning on a GPU: as they are
// and pinned). Whatever goes wrong is of no consequence: who needs the block reads it again and is told. Not
// thread-safe.
class BlockReadAhead {
 public:
  explicit BlockReadAhead(at::Device device) : device_(device) {}

  // Begins with this one, instead of whatever was read before. `key` says of which model.
  void Begin(const std::string& key, NextBlock next, ReadFor what_for);

  // Gives what was read, if it is this block's. Waits for a reading that is under way; `wait` runs now and then, an
  // error of it ends the waiting. nullopt if there is nothing; what was read of another block is let go of.
  absl::StatusOr<std::optional<ReadBlock>> Take(const std::string& key, int64_t block,
                                                const std::vector<std::string>& tensors,
                                                const std::function<absl::Status()>& wait);

  // Whether a block was begun with and not taken.
  bool reading() const { return reading_ != nullptr; }

  // Lets go of everything.
  void Clear();

 private:
  struct Reading {
    std::string key;
    NextBlock next;
    std::future<absl::StatusOr<ReadBlock>> result;
    // Last, so that it ends first.
    std::jthread thread;
  };

  const at::Device device_;
  std::unique_ptr<Reading> reading_;
};

}  // namespace besa::pruner
