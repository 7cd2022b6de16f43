#include "worker/pruner/block_survey.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "cost/batches.h"
#include "storage/base/status_macros.h"
#include "worker/pruner/block_reader.h"
#include "worker/pruner/block_weights.h"
#include "worker/pruner/dense_stream.h"
#include "worker/pruner/errors.h"
#include "worker/pruner/importance.h"
#include "worker/pruner/llama_block.h"
#include "worker/pruner/load_weights.h"
#include "worker/pruner/model_head.h"
#include "worker/pruner/tensor_kernels.h"

namespace besa::pruner {
namespace {

// What is read ahead belongs to.
constexpr char kSurvey[] = "survey";

class Survey {
 public:
  Survey(const SurveyRequest& request, const at::TensorOptions& options, StageReporter& reporter)
      : request_(request),
        config_(*request.config),
        options_(options),
        reporter_(reporter),
        windows_(request.windows->windows),
        together_(cost::SurveyedTogether(config_.num_hidden_layers)),
        block_(BlockShape::Of(config_, 0), request.windows->length, options),
        dense_(BlockWeights::Allocate(block_.shape(), options)),
        pruned_(dense_.WithOwnLinears()),
        ahead_(options.device()) {
    for (Linear linear : kAllLinears) {
      orders_[linear] = at::empty(dense_.linear(linear).sizes(), options.dtype(at::kShort));
    }
  }

  absl::StatusOr<std::vector<double>> Run() {
    RETURN_IF_ERROR(reporter_.Begin("survey", config_.num_hidden_layers));
    const int64_t copies = cost::SurveyedGroups(config_.num_hidden_layers);
    streams_ = at::empty({(1 + copies) * windows_, request_.windows->length, config_.hidden_size}, options_);
    RETURN_IF_ERROR(Start());
    for (int64_t i = 0; i < config_.num_hidden_layers; ++i) {
      RETURN_IF_ERROR(Through(i));
      RETURN_IF_ERROR(reporter_.Step(i + 1));
    }
    return Divergences();
  }

 private:
  // The activations of the dense model (0) and of those with a group of blocks pruned.
  at::Tensor Stream(int64_t index) const { return streams_.narrow(0, index * windows_, windows_); }

  absl::Status Start() const {
    ASSIGN_OR_RETURN(const Activations embedded,
                     Embed(config_, *request_.dense, *request_.windows, 0, windows_, options_));
    Stream(0).copy_(embedded.values());
    return absl::OkStatus();
  }

  absl::Status Through(int64_t index) {
    dense_.shape = pruned_.shape = BlockShape::Of(config_, index);
    RETURN_IF_ERROR(Load(index));
    RETURN_IF_ERROR(Prune(index));
    const int64_t group = 1 + index / together_;
    if (index % together_ == 0) Stream(group).copy_(Stream(0));
    const auto nothing = [](int64_t) { return absl::OkStatus(); };
    RETURN_IF_ERROR(WalkBlock(index, block_, pruned_, Stream(group), nothing));
    return WalkBlock(index, block_, dense_, streams_.narrow(0, 0, group * windows_), nothing);
  }

  // Into dense_. A GPU is given the next block to read meanwhile: there is little to compute, so reading would be most
  // of the time. A CPU has something else to do.
  absl::Status Load(int64_t index) {
    if (!options_.device().is_cuda()) return LoadBlock(*request_.dense, index, dense_);
    ASSIGN_OR_RETURN(std::optional<ReadBlock> read,
                     ahead_.Take(kSurvey, index, TensorsOf(index), [] { return absl::OkStatus(); }));
    if (!read) {
      ASSIGN_OR_RETURN(read, ReadBlockTensors(*request_.dense, index, TensorsOf(index), options_.device(),
                                              ReadFor::kWalking, [](int64_t) { return absl::OkStatus(); }));
    }
    if (index + 1 < config_.num_hidden_layers) {
      // The source outlives the survey.
      const std::shared_ptr<const storage::TensorSource> source(std::shared_ptr<void>(), request_.dense);
      ahead_.Begin(kSurvey, {{.block = index + 1, .tensors = TensorsOf(index + 1), .source = source}},
                   ReadFor::kWalking);
    }
    return UploadBlock(read->staged, index, dense_);
  }

  std::vector<std::string> TensorsOf(int64_t index) const {
    std::vector<std::string> names;
    for (const auto& [name, shape] : storage::BlockTensorShapes(config_, index)) names.push_back(name);
    return names;
  }

  absl::Status Prune(int64_t index) {
    InputStatistics statistics(dense_.shape, options_);
    const at::Tensor x = Stream(0);
    RETURN_IF_ERROR(
        ForEachBatch(windows_, WalkBatch(x.size(1), x.device()), [&](int64_t first, int64_t count) -> absl::Status {
          BlockState state;
          const at::Tensor y = block_.Forward(x.narrow(0, first, count), dense_, &state);
          statistics.Add(state);
          return absl::OkStatus();
        }));
    RETURN_IF_ERROR(statistics.CheckFinite(index));
    RankLinears(dense_, statistics, windows_, orders_);
    for (Linear linear : kAllLinears) {
      const at::Tensor weight = dense_.linear(linear);
      const auto count = std::llround(request_.sparsity * static_cast<double>(weight.size(1)));
      const at::Tensor counts = at::full({weight.size(0)}, count, options_.dtype(at::kInt));
      WriteMasked(weight, orders_[linear], counts, pruned_.linear(linear));
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<double>> Divergences() {
    ASSIGN_OR_RETURN(const ModelHead head, ModelHead::Load(config_, *request_.dense, options_));
    const int64_t predicted = request_.windows->length - 1;
    std::vector<double> sums(static_cast<size_t>(cost::SurveyedGroups(config_.num_hidden_layers)), 0.0);
    RETURN_IF_ERROR(ForEachBatch(windows_, cost::LogitWindows(config_.vocab_size, request_.windows->length),
                                 [&](int64_t first, int64_t count) -> absl::Status {
                                   const at::Tensor log_p = head.LogProbabilities(Stream(0).narrow(0, first, count));
                                   const at::Tensor p = log_p.exp();
                                   for (size_t group = 0; group < sums.size(); ++group) {
                                     const at::Tensor log_q = head.LogProbabilities(
                                         Stream(1 + static_cast<int64_t>(group)).narrow(0, first, count));
                                     const at::Tensor of_token =
                                         log_q.sub_(log_p).mul_(p).sum(-1).narrow(1, 0, predicted);
                                     sums[group] -= of_token.sum(at::kDouble).item<double>();
                                   }
                                   return absl::OkStatus();
                                 }));
    std::vector<double> divergences;
    for (int64_t i = 0; i < config_.num_hidden_layers; ++i) {
      const double mean = sums[static_cast<size_t>(i / together_)] / static_cast<double>(windows_ * predicted);
      if (!std::isfinite(mean))
        return BadNumbers(i, "lm_head", "the logits with this block pruned are NaN or infinite");
      // Rounding may leave a block that changes nothing a hair below zero.
      divergences.push_back(std::max(0.0, mean));
    }
    return divergences;
  }

  const SurveyRequest& request_;
  const storage::ModelConfig& config_;
  const at::TensorOptions options_;
  StageReporter& reporter_;
  const int64_t windows_;
  const int64_t together_;
  const LlamaBlock block_;
  BlockWeights dense_;
  BlockWeights pruned_;
  std::array<at::Tensor, kLinears> orders_;
  BlockReadAhead ahead_;
  // [(1 + groups) * windows, length, hidden].
  at::Tensor streams_;
};

}  // namespace

absl::StatusOr<std::vector<double>> SurveyBlocks(const SurveyRequest& request, const at::TensorOptions& options,
                                                 StageReporter& reporter) {
  return Survey(request, options, reporter).Run();
}

}  // namespace besa::pruner
