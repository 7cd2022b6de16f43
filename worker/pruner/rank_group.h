// The ranks that prune one block together, each with a device and some of the samples: what they add up and compare.
//
// Every rank makes the same calls in the same order, with tensors of the same shape and type; what comes out is the
// same, bit for bit, on all of them. Where a rank is gone or has stopped, the others wait: whoever started them watches
// and ends them (worker/ranks). Errors are c10::Error, as those of any operation of LibTorch. Not thread-safe.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "worker/pruner/pruner.h"

namespace besa::pruner {

class RankGroup {
 public:
  virtual ~RankGroup() = default;

  virtual int rank() const = 0;
  virtual int size() const = 0;

  // Replaces x, contiguous, by the sum over the ranks. On CUDA it is queued on the current stream and may be recorded
  // into a graph.
  virtual void AllReduceSum(const at::Tensor& x) = 0;

  // Every rank's x, contiguous, in the order of the ranks: [ranks, ...].
  virtual at::Tensor AllGather(const at::Tensor& x) = 0;

  // Replaces x, contiguous, by that of rank `root`.
  virtual void Broadcast(const at::Tensor& x, int root) = 0;

  // Brings every rank's x [rows, ...] to each of the ranks `to`, which are different ones. On those all[r], of the
  // shape of rank r's x, becomes rank r's x; elsewhere `all` is empty. Ranks may have different numbers of rows, also
  // none; every row is contiguous by itself. On CUDA queued on the current stream.
  virtual void Gather(const at::Tensor& x, at::ArrayRef<int> to, const std::vector<at::Tensor>& all) = 0;

  // The group of one, in which there is nothing to do.
  static RankGroup& Alone();
};

// Waits until all ranks of options.size have come: Gloo's process group of c10d on CPUs, a communicator of NCCL on
// CUDA, over this machine alone. They meet in the file options.store, which must be new. INTERNAL if they do not come
// within minutes.
absl::StatusOr<std::unique_ptr<RankGroup>> JoinRanks(const RankOptions& options, at::Device device);

}  // namespace besa::pruner
