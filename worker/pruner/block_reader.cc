#include "worker/pruner/block_reader.h"

#include <c10/cuda/CUDAFunctions.h>

#include <chrono>
#include <exception>
#include <utility>

#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "storage/base/sha256.h"
#include "storage/base/status_macros.h"

namespace besa::pruner {

absl::StatusOr<ReadBlock> ReadBlockTensors(const storage::TensorSource& source, int64_t block,
                                           const std::vector<std::string>& tensors, at::Device device,
                                           const std::function<absl::Status(int64_t)>& step) {
  ReadBlock read;
  Sha256 hash;
  for (const std::string& name : tensors) {
    ASSIGN_OR_RETURN(storage::HostTensor tensor, source.Read(name));
    hash.Update(tensor.bytes);
    if (absl::string_view within = tensor.name; absl::ConsumePrefix(&within, storage::BlockPrefix(block))) {
      ASSIGN_OR_RETURN(read.staged[std::string(within)], Stage(tensor, device));
    }
    read.tensors.push_back(std::move(tensor));
    RETURN_IF_ERROR(step(std::ssize(read.tensors)));
  }
  read.sha256 = hash.Finish();
  return read;
}

void BlockReadAhead::Begin(const std::string& key, NextBlock next) {
  Clear();
  reading_ = std::make_unique<Reading>();
  reading_->key = key;
  reading_->next = std::move(next);
  std::promise<absl::StatusOr<ReadBlock>> promise;
  reading_->result = promise.get_future();
  reading_->thread = std::jthread(
      [device = device_, &next = reading_->next, promise = std::move(promise)](const std::stop_token& stop) mutable {
        try {
          // Pinned memory belongs to a device's context.
          if (device.is_cuda()) c10::cuda::set_device(device.index());
          promise.set_value(ReadBlockTensors(*next.source, next.block, next.tensors, device, [&](int64_t) {
            return stop.stop_requested() ? absl::CancelledError("not needed any more") : absl::OkStatus();
          }));
        } catch (const std::exception& error) {
          promise.set_value(absl::InternalError(error.what()));
        }
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
