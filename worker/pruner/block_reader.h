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

// Reads blocks ahead, one after the other, in threads of its own: at most as many blocks' bytes as were asked for (each
// twice, for pruning on a GPU: as they are and pinned). Whatever goes wrong is of no consequence: who needs the block
// reads it again and is told. Not thread-safe.
class BlockReadAhead {
 public:
  explicit BlockReadAhead(at::Device device) : device_(device) {}

  // Begins with these, in their order; what was asked for before and is among them stays, all else is let go of. `key`
  // says of which model.
  void Begin(const std::string& key, const std::vector<NextBlock>& next, ReadFor what_for);

  // Gives what was read, if it is this block's. Waits for a reading that is under way; `wait` runs now and then, an
  // error of it ends the waiting. nullopt if there is nothing: then what was read of other blocks is let go of, too.
  absl::StatusOr<std::optional<ReadBlock>> Take(const std::string& key, int64_t block,
                                                const std::vector<std::string>& tensors,
                                                const std::function<absl::Status()>& wait);

  // The block's own tensors, if this block was read, and leaves it for Take; valid until then, or until something else
  // is begun with. Waits as Take does. Null if there is nothing.
  absl::StatusOr<const BlockTensors*> Peek(const std::string& key, int64_t block,
                                           const std::function<absl::Status()>& wait);

  // Whether a block was begun with and not taken.
  bool reading() const { return !readings_.empty(); }

  // Lets go of everything.
  void Clear();

 private:
  struct Reading {
    std::string key;
    NextBlock next;
    // Null if it could not be read.
    std::shared_future<std::shared_ptr<ReadBlock>> result;
    // Last, so that it ends first.
    std::jthread thread;
  };

  std::unique_ptr<Reading> Start(const std::string& key, const NextBlock& next, ReadFor what_for) const;
  std::vector<std::unique_ptr<Reading>>::iterator Find(const std::string& key, int64_t block);

  const at::Device device_;
  // In the order in which they are read.
  std::vector<std::unique_ptr<Reading>> readings_;
};

}  // namespace besa::pruner
