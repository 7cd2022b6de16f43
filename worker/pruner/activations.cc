#include "worker/pruner/activations.h"

#include <ATen/cuda/CUDAEvent.h>
#include <ATen/ops/empty.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <map>
#include <utility>

namespace besa::pruner {
namespace {

// Everything queued on `from` so far happens before what is queued on `to` from now on.
void Order(const c10::cuda::CUDAStream& from, const c10::cuda::CUDAStream& to) {
  at::cuda::CUDAEvent event;
  event.record(from);
  event.block(to);
}

// The stream that activations move on: one for all, so that what was written is read in that order.
c10::cuda::CUDAStream MovingStream(at::Device device) {
  thread_local std::map<c10::DeviceIndex, c10::cuda::CUDAStream> streams;
  const auto found = streams.find(device.index());
  if (found != streams.end()) return found->second;
  return streams.emplace(device.index(), c10::cuda::getStreamFromPool(/*isHighPriority=*/true, device.index()))
      .first->second;
}

}  // namespace

Activations::Activations(at::Tensor on_device) : values_(std::move(on_device)) {
  if (values_.defined()) device_ = values_.device();
}

Activations Activations::Allocate(at::IntArrayRef sizes, const at::TensorOptions& options, Placement placement) {
  Activations activations;
  activations.device_ = options.device();
  activations.placement_ = placement;
  const bool host = placement == Placement::kHost;
  activations.values_ =
      at::empty(sizes, host ? options.device(at::kCPU).pinned_memory(options.device().is_cuda()) : options);
  return activations;
}

at::Tensor Activations::Batch(int64_t first, int64_t count) const {
  const at::Tensor batch = values_.narrow(0, first, count);
  return placement_ == Placement::kHost ? batch.to(device_) : batch;
}

Activations Activations::In(Placement placement) const {
  if (!defined() || placement == placement_) return *this;
  Activations moved = Allocate(sizes(), values_.options().device(device_).pinned_memory(false), placement);
  moved.values_.copy_(values_);
  return moved;
}

Activations Activations::Copy() const {
  Activations copy = Allocate(sizes(), values_.options().device(device_).pinned_memory(false), placement_);
  // The host may not read what is still on its way.
  if (placement_ == Placement::kHost && device_.is_cuda()) {
    c10::cuda::getCurrentCUDAStream(device_.index()).synchronize();
  }
  copy.values_.copy_(values_);
  return copy;
}

// A batch of each source on the device.
struct ActivationFeed::Slot {
  Batch buffers;
  // On CUDA: the batch is there; nobody reads it any more.
  at::cuda::CUDAEvent there;
  at::cuda::CUDAEvent free;
};

std::vector<SampleShare::Range> BatchesOf(int64_t windows, int64_t batch) {
  std::vector<SampleShare::Range> batches;
  for (int64_t first = 0; first < windows; first += batch) batches.push_back({first, std::min(batch, windows - first)});
  return batches;
}

ActivationFeed::ActivationFeed(Sources sources, std::vector<SampleShare::Range> batches)
    : ActivationFeed(std::vector<Sources>{std::move(sources)}, std::move(batches), /*epochs=*/1) {}

ActivationFeed::ActivationFeed(std::vector<Sources> sources, std::vector<SampleShare::Range> batches, int64_t epochs)
    : sources_(std::move(sources)), batches_(std::move(batches)), count_(epochs * std::ssize(batches_)) {
  const Sources& first = sources_[0];
  TORCH_CHECK(first.size() <= kSources, "a feed has at most three sources");
  const bool streams =
      std::ranges::any_of(first, [](const Activations& source) { return source.placement() == Placement::kHost; });
  if (!streams || count_ == 0) return;
  int64_t largest = 0;
  for (const SampleShare::Range& range : batches_) largest = std::max(largest, range.count);
  for (int i = 0; i < 2; ++i) {
    auto slot = std::make_unique<Slot>();
    for (size_t source = 0; source < first.size(); ++source) {
      std::vector<int64_t> sizes = first[source].sizes().vec();
      sizes[0] = largest;
      slot->buffers[source] = at::empty(sizes, at::TensorOptions(device()).dtype(first[source].type()));
    }
    slots_.push_back(std::move(slot));
  }
  // What is still to be written to the sources, and the former life of the buffers' memory, come first.
  if (device().is_cuda()) Order(c10::cuda::getCurrentCUDAStream(device().index()), MovingStream(device()));
  Fetch(0);
}

ActivationFeed::~ActivationFeed() {
  if (slots_.empty() || !device().is_cuda()) return;
  // A batch that nobody asked for may still be on its way into buffers that are let go of now.
  Order(MovingStream(device()), c10::cuda::getCurrentCUDAStream(device().index()));
}

void ActivationFeed::Fetch(int64_t number) {
  const auto [first, count] = RangeOf(number);
  Slot& slot = *slots_[static_cast<size_t>(number % 2)];
  const Sources& sources = SourcesOf(number);
  const auto copy = [&, first = first, count = count] {
    for (size_t source = 0; source < sources.size(); ++source) {
      slot.buffers[source]
          .narrow(0, 0, count)
          .copy_(sources[source].values().narrow(0, first, count), /*non_blocking=*/true);
    }
  };
  if (!device().is_cuda()) return copy();
  const c10::cuda::CUDAStream stream = MovingStream(device());
  const c10::cuda::CUDAStreamGuard guard(stream);
  if (number >= 2) slot.free.block(stream);
  copy();
  slot.there.record(stream);
}

ActivationFeed::Batch ActivationFeed::Next() {
  const int64_t number = next_++;
  TORCH_CHECK(number < count_, "no batch is left");
  const auto [first, count] = RangeOf(number);
  const Sources& sources = SourcesOf(number);
  Batch batch;
  if (slots_.empty()) {
    for (size_t source = 0; source < sources.size(); ++source) batch[source] = sources[source].Batch(first, count);
    return batch;
  }
  Slot& slot = *slots_[static_cast<size_t>(number % 2)];
  if (device().is_cuda()) {
    const c10::cuda::CUDAStream current = c10::cuda::getCurrentCUDAStream(device().index());
    if (number > 0) slots_[static_cast<size_t>((number + 1) % 2)]->free.record(current);
    slot.there.block(current);
  }
  if (number + 1 < count_) Fetch(number + 1);
  for (size_t source = 0; source < sources.size(); ++source) {
    batch[source] = slot.buffers[source].narrow(0, 0, count);
  }
  return batch;
}

struct ActivationSink::Stream {
  c10::cuda::CUDAStream moving;
};

ActivationSink::ActivationSink(const Activations& to) : to_(to) {
  if (to_.placement() == Placement::kHost && to_.device().is_cuda()) {
    stream_ = std::make_unique<Stream>(MovingStream(to_.device()));
  }
}

ActivationSink::~ActivationSink() {
  if (stream_ != nullptr) Order(stream_->moving, c10::cuda::getCurrentCUDAStream(to_.device().index()));
}

void ActivationSink::Write(int64_t first, const at::Tensor& values) {
  const at::Tensor place = to_.values().narrow(0, first, values.size(0));
  if (stream_ == nullptr) {
    place.copy_(values);
    return;
  }
  Order(c10::cuda::getCurrentCUDAStream(to_.device().index()), stream_->moving);
  const c10::cuda::CUDAStreamGuard guard(stream_->moving);
  place.copy_(values, /*non_blocking=*/true);
  // The values' memory is not given to anybody else before they have been copied.
  c10::cuda::CUDACachingAllocator::recordStream(values.storage().data_ptr(), stream_->moving);
}

}  // namespace besa::pruner
