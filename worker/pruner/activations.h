// Calibration activations: what the windows have become in front of a block, [windows, length, hidden], on the device
// or in host memory.
//
// From host memory they stream: a batch goes to the device while the one before it is computed with, through two
// buffers and on a stream of its own (ActivationFeed), and what a batch becomes goes back the same way
// (ActivationSink). Either placement gives the same bits. On a CPU, "host memory" takes the same path with plain
// copies.
//
// Nothing here is thread-safe; all calls are made with the same current stream.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <iterator>
#include <memory>
#include <vector>

#include "cost/memory_plan.h"
#include "worker/pruner/sample_share.h"

namespace besa::pruner {

using cost::Placement;

class Activations {
 public:
  Activations() = default;
  // Those that lie on their device already.
  Activations(at::Tensor on_device);  // NOLINT(google-explicit-constructor)
  // Uninitialised, in the type and for the device of `options`; in host memory pinned, if that is a GPU.
  static Activations Allocate(at::IntArrayRef sizes, const at::TensorOptions& options, Placement placement);

  bool defined() const { return values_.defined(); }
  // Where they lie.
  const at::Tensor& values() const { return values_; }
  int64_t windows() const { return values_.size(0); }
  at::IntArrayRef sizes() const { return values_.sizes(); }
  at::ScalarType type() const { return values_.scalar_type(); }
  // Where they are computed with.
  at::Device device() const { return device_; }
  Placement placement() const { return placement_; }
  // Of the memory they lie in.
  int64_t bytes() const { return defined() ? static_cast<int64_t>(values_.nbytes()) : 0; }

  // Windows [first, first + count) on the device: a view or a copy, complete for what is queued from now on.
  at::Tensor Batch(int64_t first, int64_t count) const;

  // These, or a copy in the other place. Waits for the device.
  Activations In(Placement placement) const;
  // A copy in the same place. Waits for the device if that is host memory.
  Activations Copy() const;

 private:
  at::Tensor values_;
  at::Device device_ = at::kCPU;
  Placement placement_ = Placement::kDevice;
};

// [0, windows) in batches; the last one may be smaller.
std::vector<SampleShare::Range> BatchesOf(int64_t windows, int64_t batch);

// Gives the batches of up to three activations on the device, in order.
class ActivationFeed {
 public:
  static constexpr size_t kSources = 3;
  // One a source; the others are undefined.
  using Batch = std::array<at::Tensor, kSources>;
  // At most kSources.
  using Sources = std::vector<Activations>;

  // These windows of `sources`, a batch after the other, once.
  ActivationFeed(Sources sources, std::vector<SampleShare::Range> batches);
  // The same `epochs` times: of sources[0], sources[1] and so on, and again from the first. All have the same sizes and
  // lie in the same place.
  ActivationFeed(std::vector<Sources> sources, std::vector<SampleShare::Range> batches, int64_t epochs);
  ~ActivationFeed();
  ActivationFeed(const ActivationFeed&) = delete;
  ActivationFeed& operator=(const ActivationFeed&) = delete;

  // The next batch of each source. Valid until the next call, for what is queued before it.
  Batch Next();

 private:
  struct Slot;

  const SampleShare::Range& RangeOf(int64_t number) const {
    return batches_[static_cast<size_t>(number % std::ssize(batches_))];
  }
  const Sources& SourcesOf(int64_t number) const {
    return sources_[static_cast<size_t>(number / std::ssize(batches_) % std::ssize(sources_))];
  }
  at::Device device() const { return sources_[0][0].device(); }
  void Fetch(int64_t number);

  std::vector<Sources> sources_;
  std::vector<SampleShare::Range> batches_;
  // Of all epochs.
  int64_t count_;
  int64_t next_ = 0;
  // Of what streams: two.
  std::vector<std::unique_ptr<Slot>> slots_;
};

// Takes batches from the device to where activations lie.
class ActivationSink {
 public:
  explicit ActivationSink(const Activations& to);
  // What was written is there for everything that is queued from then on.
  ~ActivationSink();
  ActivationSink(const ActivationSink&) = delete;
  ActivationSink& operator=(const ActivationSink&) = delete;

  // `values` [count, length, hidden] become windows [first, first + count).
  void Write(int64_t first, const at::Tensor& values);

 private:
  struct Stream;

  const Activations to_;
  std::unique_ptr<Stream> stream_;
};

}  // namespace besa::pruner
