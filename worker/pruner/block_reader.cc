#include "worker/pruner/block_reader.h"

#include <c10/cuda/CUDAFunctions.h>

#include <atomic>
#include <chrono>
#include <utility>

#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "storage/base/sha256.h"
#include "storage/base/status_macros.h"
#include "worker/pruner/errors.h"

namespace besa::pruner {

namespace {

// As many as take what a store's own threads give; a block has seven large tensors.
constexpr int kReadersForGpu = 8;

struct ReadTensor {
  // For pruning.
  storage::HostTensor tensor;
  // Undefined for a tensor that is not the block's own.
  std::string name_within;
  at::Tensor staged;
};

absl::StatusOr<ReadTensor> ReadOne(const storage::TensorSource& source, int64_t block, const std::string& name,
                                   at::Device device, ReadFor what_for) {
  // Pinned memory belongs to a device's context.
  if (device.is_cuda()) c10::cuda::set_device(device.index());
  ReadTensor read;
  absl::string_view within = name;
  if (absl::ConsumePrefix(&within, storage::BlockPrefix(block))) read.name_within = std::string(within);
  const bool own = !read.name_within.empty();
  if (what_for == ReadFor::kPruning) {
    ASSIGN_OR_RETURN(read.tensor, source.Read(name));
    if (own) {
      ASSIGN_OR_RETURN(read.staged, Stage(read.tensor, device));
    }
  } else if (own) {
    ASSIGN_OR_RETURN(read.staged, ReadStaged(source, name, device));
  }
  return read;
}

// Threads that read tensors in their order, for one who takes them in that order.
class Readers {
 public:
  Readers(const storage::TensorSource& source, int64_t block, const std::vector<std::string>& names, at::Device device,
          ReadFor what_for)
      : read_(names.size()) {
    const int count = device.is_cuda() ? kReadersForGpu : 1;
    for (int i = 0; i < count; ++i) {
      threads_.emplace_back([&, block, device, what_for](const std::stop_token& stop) {
        for (size_t next = next_++; next < names.size() && !stop.stop_requested(); next = next_++) {
          read_[next].set_value(CatchExceptions([&] { return ReadOne(source, block, names[next], device, what_for); }));
        }
      });
    }
  }

  absl::StatusOr<ReadTensor> Take(size_t index) { return read_[index].get_future().get(); }

 private:
  std::vector<std::promise<absl::StatusOr<ReadTensor>>> read_;
  std::atomic<size_t> next_ = 0;
  // Last, so that they end first.
  std::vector<std::jthread> threads_;
};

}  // namespace

absl::StatusOr<ReadBlock> ReadBlockTensors(const storage::TensorSource& source, int64_t block,
                                           const std::vector<std::string>& tensors, at::Device device, ReadFor what_for,
                                           const std::function<absl::Status(int64_t)>& step) {
  ReadBlock read;
  Sha256 sha256;
  Readers readers(source, block, tensors, device, what_for);
  for (size_t i = 0; i < tensors.size(); ++i) {
    ASSIGN_OR_RETURN(ReadTensor next, readers.Take(i));
    if (!next.name_within.empty()) read.staged[next.name_within] = next.staged;
    if (what_for == ReadFor::kPruning) {
      sha256.Update(next.tensor.bytes);
      read.tensors.push_back(std::move(next.tensor));
    }
    RETURN_IF_ERROR(step(static_cast<int64_t>(i) + 1));
  }
  if (what_for == ReadFor::kPruning) read.sha256 = sha256.Finish();
  return read;
}

void BlockReadAhead::Begin(const std::string& key, NextBlock next, ReadFor what_for) {
  Clear();
  reading_ = std::make_unique<Reading>();
  reading_->key = key;
  reading_->next = std::move(next);
  std::promise<absl::StatusOr<ReadBlock>> promise;
  reading_->result = promise.get_future();
  reading_->thread = std::jthread([device = device_, &next = reading_->next, what_for,
                                   promise = std::move(promise)](const std::stop_token& stop) mutable {
    promise.set_value(CatchExceptions([&] {
      return ReadBlockTensors(*next.source, next.block, next.tensors, device, what_for, [&](int64_t) {
        return stop.stop_requested() ? absl::CancelledError("not needed any more") : absl::OkStatus();
      });
    }));
  });
}

absl::StatusOr<std::optional<ReadBlock>> BlockReadAhead::Take(const std::string& key, int64_t block,
                                                              const std::vector<std::string>& tensors,
                                                              const std::function<absl::Status()>& wait) {
  const bool wanted =
      reading_ != nullptr && reading_->key == key && reading_->next.block == block && reading_->next.tensors == tensors;
  if (!wanted) {
    Clear();
    return std::nullopt;
  }
  constexpr std::chrono::milliseconds kPatience(50);
  while (reading_->result.wait_for(kPatience) != std::future_status::ready) RETURN_IF_ERROR(wait());
  absl::StatusOr<ReadBlock> read = reading_->result.get();
  Clear();
  if (!read.ok()) return std::nullopt;
  return std::optional<ReadBlock>(*std::move(read));
}

void BlockReadAhead::Clear() { reading_.reset(); }

}  // namespace besa::pruner
