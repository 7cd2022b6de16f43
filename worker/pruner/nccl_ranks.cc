#include "worker/pruner/nccl_ranks.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAStream.h>
#include <nccl.h>
#include <torch/csrc/distributed/c10d/FileStore.hpp>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace besa::pruner {
namespace {

void CheckNccl(ncclResult_t result, const char* call) {
  TORCH_CHECK(result == ncclSuccess || result == ncclInProgress, call, ": ", ncclGetErrorString(result), " (",
              ncclGetLastError(nullptr), ")");
}

ncclDataType_t TypeOf(const at::Tensor& x) {
  switch (x.scalar_type()) {
    case at::kFloat:
      return ncclFloat32;
    case at::kDouble:
      return ncclFloat64;
    case at::kBFloat16:
      return ncclBfloat16;
    case at::kLong:
      return ncclInt64;
    default:
      TORCH_CHECK(false, "ranks exchange no tensors of type ", x.scalar_type());
  }
}

class NcclRanks final : public RankGroup {
 public:
  NcclRanks(const RankOptions& options, const ncclUniqueId& id, at::Device device)
      : rank_(options.rank), size_(options.size), device_(device) {
    CheckNccl(ncclCommInitRank(&communicator_, size_, id, rank_), "ncclCommInitRank");
    // Connections and their buffers are made by the first collective of a kind: now, so that memory is counted without
    // them and nothing has to be set up while a graph is recorded.
    const at::Tensor x = at::zeros({size_}, at::TensorOptions(device).dtype(at::kFloat));
    AllReduceSum(x);
    const at::Tensor all = AllGather(x);
    Broadcast(x, 0);
    for (int to = 0; to < size_; ++to) Gather(x, to, to == rank_ ? all.unbind(0) : std::vector<at::Tensor>());
    c10::cuda::device_synchronize();
  }
  ~NcclRanks() override { ncclCommAbort(communicator_); }

  int rank() const override { return rank_; }
  int size() const override { return size_; }

  void AllReduceSum(const at::Tensor& x) override {
    CheckContiguous(x);
    CheckNccl(ncclAllReduce(x.data_ptr(), x.data_ptr(), static_cast<size_t>(x.numel()), TypeOf(x), ncclSum,
                            communicator_, stream()),
              "ncclAllReduce");
  }

  at::Tensor AllGather(const at::Tensor& x) override {
    CheckContiguous(x);
    std::vector<int64_t> shape = x.sizes().vec();
    shape.insert(shape.begin(), size_);
    const at::Tensor all = at::empty(shape, x.options());
    CheckNccl(
        ncclAllGather(x.data_ptr(), all.data_ptr(), static_cast<size_t>(x.numel()), TypeOf(x), communicator_, stream()),
        "ncclAllGather");
    return all;
  }

  void Broadcast(const at::Tensor& x, int root) override {
    CheckContiguous(x);
    CheckNccl(ncclBroadcast(x.data_ptr(), x.data_ptr(), static_cast<size_t>(x.numel()), TypeOf(x), root, communicator_,
                            stream()),
              "ncclBroadcast");
  }

  // All rows in one group, so that they travel at the same time.
  void Gather(const at::Tensor& x, at::ArrayRef<int> to, const std::vector<at::Tensor>& all) override {
    CheckNccl(ncclGroupStart(), "ncclGroupStart");
    for (const int other : to) {
      if (other == rank_) continue;
      for (int64_t i = 0; i < x.size(0); ++i) {
        const at::Tensor row = x.select(0, i);
        CheckContiguous(row);
        CheckNccl(
            ncclSend(row.data_ptr(), static_cast<size_t>(row.numel()), TypeOf(row), other, communicator_, stream()),
            "ncclSend");
      }
    }
    for (int other = 0; other < static_cast<int>(all.size()); ++other) {
      const at::Tensor& place = all[static_cast<size_t>(other)];
      for (int64_t i = 0; i < place.size(0) && other != rank_; ++i) {
        const at::Tensor row = place.select(0, i);
        CheckContiguous(row);
        CheckNccl(
            ncclRecv(row.data_ptr(), static_cast<size_t>(row.numel()), TypeOf(row), other, communicator_, stream()),
            "ncclRecv");
      }
    }
    CheckNccl(ncclGroupEnd(), "ncclGroupEnd");
    if (!all.empty()) all[static_cast<size_t>(rank_)].copy_(x);
  }

 private:
  void CheckContiguous(const at::Tensor& x) const {
    TORCH_CHECK(x.device() == device_ && x.is_contiguous(), "ranks exchange contiguous tensors on ", device_);
  }
  cudaStream_t stream() const { return c10::cuda::getCurrentCUDAStream(device_.index()).stream(); }

  const int rank_;
  const int size_;
  const at::Device device_;
  ncclComm_t communicator_ = nullptr;
};

}  // namespace

std::unique_ptr<RankGroup> JoinNccl(const RankOptions& options, at::Device device) {
  const auto store = c10::make_intrusive<c10d::FileStore>(options.store, options.size);
  constexpr char kId[] = "nccl-id";
  ncclUniqueId id;
  if (options.rank == 0) {
    CheckNccl(ncclGetUniqueId(&id), "ncclGetUniqueId");
    store->set(kId, std::vector<uint8_t>(id.internal, id.internal + sizeof(id.internal)));
  } else {
    const std::vector<uint8_t> bytes = store->get(kId);
    TORCH_CHECK(bytes.size() == sizeof(id.internal), "the store has no id of NCCL");
    std::copy(bytes.begin(), bytes.end(), reinterpret_cast<uint8_t*>(id.internal));
  }
  return std::make_unique<NcclRanks>(options, id, device);
}

}  // namespace besa::pruner
