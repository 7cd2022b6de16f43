#include "worker/pruner/block_reader.h"

#include <c10/cuda/CUDAFunctions.h>

#include <algorithm>
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

constexpr std::chrono::milliseconds kPatience(50);

absl::Status Await(const std::shared_future<std::shared_ptr<ReadBlock>>& result,
                   const std::function<absl::Status()>& wait) {
  while (result.wait_for(kPatience) != std::future_status::ready) RETURN_IF_ERROR(wait());
  return absl::OkStatus();
}

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

void BlockReadAhead::Begin(const std::string& key, const std::vector<NextBlock>& next, ReadFor what_for) {
  std::vector<std::unique_ptr<Reading>> before = std::exchange(readings_, {});
  for (const NextBlock& wanted : next) {
    const auto same = std::ranges::find_if(before, [&](const std::unique_ptr<Reading>& reading) {
      return reading != nullptr && reading->key == key && reading->next.block == wanted.block &&
             reading->next.tensors == wanted.tensors;
    });
    readings_.push_back(same == before.end() ? Start(key, wanted, what_for) : std::move(*same));
  }
}

// Behind the last of `readings_`.
std::unique_ptr<BlockReadAhead::Reading> BlockReadAhead::Start(const std::string& key, const NextBlock& next,
                                                               ReadFor what_for) const {
  auto reading = std::make_unique<Reading>();
  reading->key = key;
  reading->next = next;
  std::promise<std::shared_ptr<ReadBlock>> promise;
  reading->result = promise.get_future();
  std::shared_future<std::shared_ptr<ReadBlock>> before;
  if (!readings_.empty()) before = readings_.back()->result;
  reading->thread = std::jthread([device = device_, &next = reading->next, what_for, before = std::move(before),
                                  promise = std::move(promise)](const std::stop_token& stop) mutable {
    while (before.valid() && !stop.stop_requested() && before.wait_for(kPatience) != std::future_status::ready) {
    }
    absl::StatusOr<ReadBlock> read = CatchExceptions([&] {
      return ReadBlockTensors(*next.source, next.block, next.tensors, device, what_for, [&](int64_t) {
        return stop.stop_requested() ? absl::CancelledError("not needed any more") : absl::OkStatus();
      });
    });
    promise.set_value(read.ok() ? std::make_shared<ReadBlock>(*std::move(read)) : nullptr);
  });
  return reading;
}

std::vector<std::unique_ptr<BlockReadAhead::Reading>>::iterator BlockReadAhead::Find(const std::string& key,
                                                                                     int64_t block) {
  return std::ranges::find_if(readings_, [&](const std::unique_ptr<Reading>& reading) {
    return reading->key == key && reading->next.block == block;
  });
}

absl::StatusOr<std::optional<ReadBlock>> BlockReadAhead::Take(const std::string& key, int64_t block,
                                                              const std::vector<std::string>& tensors,
                                                              const std::function<absl::Status()>& wait) {
  const auto found = Find(key, block);
  if (found == readings_.end() || (*found)->next.tensors != tensors) {
    Clear();
    return std::nullopt;
  }
  RETURN_IF_ERROR(Await((*found)->result, wait));
  const std::unique_ptr<Reading> reading = std::move(*found);
  readings_.erase(found);
  const std::shared_ptr<ReadBlock> read = reading->result.get();
  if (read == nullptr) return std::nullopt;
  return std::optional<ReadBlock>(std::move(*read));
}

absl::StatusOr<const BlockTensors*> BlockReadAhead::Peek(const std::string& key, int64_t block,
                                                         const std::function<absl::Status()>& wait) {
  const auto found = Find(key, block);
  if (found == readings_.end()) return nullptr;
  RETURN_IF_ERROR(Await((*found)->result, wait));
  const std::shared_ptr<ReadBlock> read = (*found)->result.get();
  return read == nullptr ? nullptr : &read->staged;
}

void BlockReadAhead::Clear() { readings_.clear(); }

}  // namespace besa::pruner
