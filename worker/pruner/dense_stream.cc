#include "worker/pruner/dense_stream.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "cost/batches.h"
#include "storage/base/status_macros.h"
#include "worker/pruner/errors.h"
#include "worker/pruner/finite_watch.h"
#include "worker/pruner/load_weights.h"
#include "worker/pruner/tensor_kernels.h"

namespace besa::pruner {
namespace {

absl::Status CheckFinite(int64_t block, absl::string_view linear, absl::string_view what, const at::Tensor& x) {
  const int64_t bad = CountNonFinite(x);
  if (bad == 0) return absl::OkStatus();
  return BadNumbers(block, linear, absl::StrCat(bad, " of the values it ", what, " are NaN or infinite"));
}

absl::StatusOr<at::Tensor> EmbedBatch(const at::Tensor& embedding, const TokenWindows& windows, int64_t first,
                                      int64_t count) {
  const int32_t* ids = windows.ids.data() + first * windows.length;
  const int64_t vocabulary = embedding.size(0);
  for (int64_t i = 0; i < count * windows.length; ++i) {
    if (ids[i] < 0 || ids[i] >= vocabulary) {
      return absl::InvalidArgumentError(absl::StrCat("token id ", ids[i], " of window ", first + i / windows.length,
                                                     " is not in the vocabulary of ", vocabulary));
    }
  }
  const at::Tensor index =
      at::from_blob(const_cast<int32_t*>(ids), {count * windows.length}, at::TensorOptions().dtype(at::kInt))
          .to(embedding.device());
  return embedding.index_select(0, index).view({count, windows.length, embedding.size(1)});
}

}  // namespace

int64_t WalkBatch(int64_t length, at::Device device) { return cost::WalkBatch(length, device.is_cuda()); }

absl::Status ForEachBatch(int64_t samples, int64_t batch,
                          const std::function<absl::Status(int64_t first, int64_t count)>& body) {
  for (int64_t first = 0; first < samples; first += batch) {
    RETURN_IF_ERROR(body(first, std::min(batch, samples - first)));
  }
  return absl::OkStatus();
}

absl::StatusOr<Activations> Embed(const storage::ModelConfig& config, const storage::TensorSource& source,
                                  const TokenWindows& windows, int64_t first, int64_t count,
                                  const at::TensorOptions& options, Placement placement) {
  ASSIGN_OR_RETURN(const at::Tensor embedding, LoadEmbedding(config, source, options));
  const Activations x = Activations::Allocate({count, windows.length, config.hidden_size}, options, placement);
  RETURN_IF_ERROR(ForEachBatch(
      count, WalkBatch(windows.length, options.device()), [&](int64_t begin, int64_t batch) -> absl::Status {
        ASSIGN_OR_RETURN(const at::Tensor embedded, EmbedBatch(embedding, windows, first + begin, batch));
        x.values().narrow(0, begin, batch).copy_(embedded);
        return absl::OkStatus();
      }));
  return x;
}

absl::Status CheckActivations(int64_t block_index, const BlockState& state, const at::Tensor& y) {
  for (int group = 0; group < kGroups; ++group) {
    RETURN_IF_ERROR(CheckFinite(block_index, GroupName(Group(group)), "is given", state.inputs[group]));
  }
  return CheckFinite(block_index, GroupName(kMlpOut), "leads to", y);
}

absl::Status WalkBlock(int64_t block_index, const LlamaBlock& block, const BlockWeights& weights, const Activations& x,
                       const std::function<absl::Status(int64_t)>& step) {
  const int64_t batch = WalkBatch(x.sizes()[1], x.device());
  FiniteWatch watch(x.device());
  ActivationFeed feed({x}, BatchesOf(x.windows(), batch));
  ActivationSink sink(x);
  // The batch whose output is not yet known to be good: its input is still there.
  struct {
    int64_t first = 0;
    at::Tensor y;
  } pending;
  const auto settle = [&]() -> absl::Status {
    if (!pending.y.defined()) return absl::OkStatus();
    const int64_t count = pending.y.size(0);
    if (!watch.NextIsFinite()) {
      BlockState state;
      return CheckActivations(block_index, state, block.Forward(x.Batch(pending.first, count), weights, &state));
    }
    sink.Write(pending.first, pending.y);
    return step(pending.first + count);
  };
  RETURN_IF_ERROR(ForEachBatch(x.windows(), batch, [&](int64_t first, int64_t) -> absl::Status {
    const at::Tensor y = block.Forward(feed.Next()[0], weights, nullptr);
    watch.Queue(y);
    RETURN_IF_ERROR(settle());
    pending = {first, y};
    return absl::OkStatus();
  }));
  return settle();
}

}  // namespace besa::pruner
