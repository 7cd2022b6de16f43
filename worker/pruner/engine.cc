// Engine: requests checked, memory planned, exceptions caught; the work itself is in prune_block and perplexity.
#include <ATen/Context.h>
#include <ATen/Version.h>
#include <ATen/cuda/CUDAContextLight.h>
#include <torch/headeronly/version.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cost/batches.h"
#include "cost/device_profile.h"
#include "cost/memory_plan.h"
#include "cost/sharded_sweep.h"
#include "storage/base/error_info.h"
#include "storage/base/status_macros.h"
#include "worker/pruner/activation_stream.h"
#include "worker/pruner/all_reduce_seconds.h"
#include "worker/pruner/block_survey.h"
#include "worker/pruner/check_options.h"
#include "worker/pruner/compute_device.h"
#include "worker/pruner/errors.h"
#include "worker/pruner/group_choice.h"
#include "worker/pruner/matrix_product_rate.h"
#include "worker/pruner/perplexity.h"
#include "worker/pruner/prune_block.h"
#include "worker/pruner/pruner.h"
#include "worker/pruner/rank_group.h"
#include "worker/pruner/sample_share.h"
#include "worker/pruner/stored_activations.h"

namespace besa::pruner {
namespace {

absl::Status CheckWindows(const TokenWindows& windows, absl::string_view field, const storage::ModelConfig& config) {
  if (windows.windows < 1)
    return FieldError(absl::StrCat(field, ".windows"), absl::StrCat(windows.windows), "at least 1");
  if (windows.length < 2 || windows.length > config.max_position_embeddings) {
    return FieldError(absl::StrCat(field, ".length"), absl::StrCat(windows.length),
                      absl::StrCat("2 to the model's context of ", config.max_position_embeddings, " tokens"));
  }
  if (static_cast<int64_t>(windows.ids.size()) != windows.windows * windows.length) {
    return FieldError(absl::StrCat(field, ".ids"), absl::StrCat(windows.ids.size(), " ids"),
                      absl::StrCat(windows.windows, " windows of ", windows.length));
  }
  if (windows.stride < 0 || windows.stride > windows.length) {
    return FieldError(absl::StrCat(field, ".stride"), absl::StrCat(windows.stride),
                      absl::StrCat("0 to ", windows.length, ", the tokens of a window"));
  }
  return absl::OkStatus();
}

absl::Status CheckRequest(const PruneRequest& request, int ranks) {
  if (request.config == nullptr || request.dense == nullptr || request.calibration == nullptr) {
    return absl::InvalidArgumentError("config, dense and calibration must be given");
  }
  if (request.block < 0 || request.block >= request.config->num_hidden_layers) {
    return FieldError("block", absl::StrCat(request.block),
                      absl::StrCat("0 to ", request.config->num_hidden_layers - 1));
  }
  const bool sequential = request.options.schedule == Schedule::kSequential;
  if (sequential != (request.pruned != nullptr)) {
    return absl::InvalidArgumentError("pruned must be given in the sequential schedule and in no other");
  }
  const size_t before = sequential ? static_cast<size_t>(request.block) : 0;
  if (request.committed.size() != before) {
    return FieldError("committed", absl::StrCat(request.committed.size(), " blocks"), absl::StrCat(before));
  }
  RETURN_IF_ERROR(CheckOptions(ResolveOptions(request.options, *request.config, request.calibration->windows, ranks),
                               *request.config));
  return CheckWindows(*request.calibration, "calibration", *request.config);
}

// Of a rank's own block and those of the others.
absl::Status CheckGroupRequest(const PruneRequest& request, const RankGroup& ranks) {
  RETURN_IF_ERROR(CheckRequest(request, 1));
  if (request.options.schedule != Schedule::kIndependent) {
    return absl::InvalidArgumentError("blocks of the sequential schedule wait for each other");
  }
  const int64_t first = request.block - ranks.rank();
  if (first >= 0 && first + ranks.size() <= request.config->num_hidden_layers) return absl::OkStatus();
  return FieldError("block", absl::StrCat(request.block, " of rank ", ranks.rank()), "one for each rank");
}

// A rank's share of the windows.
TokenWindows WindowsOf(const SampleShare& share, const TokenWindows& all) {
  TokenWindows own = {.windows = share.own(), .length = all.length, .stride = all.stride};
  own.ids.reserve(static_cast<size_t>(own.windows * own.length));
  for (int64_t i = 0; i < own.windows; ++i) {
    const auto begin = all.ids.begin() + share.Global(i) * all.length;
    own.ids.insert(own.ids.end(), begin, begin + all.length);
  }
  return own;
}

class TorchEngine final : public Engine {
 public:
  // `group`: null if the engine works alone.
  TorchEngine(ComputeDevice device, std::unique_ptr<RankGroup> group, const EngineOptions& options)
      : device_(std::move(device)),
        activations_(options.activations),
        clock_(*options.clock),
        group_(std::move(group)),
        ranks_(group_ == nullptr ? RankGroup::Alone() : *group_),
        kept_{.streams = {},
              .observed = {},
              .workspace = BlockWorkspace(ranks_),
              .ahead = BlockReadAhead(device_.device())} {}

  const DeviceInfo& device() const override { return device_.info(); }

  std::string NumericsClass(std::optional<ComputeType> compute) const override {
    const bool bfloat16 = device_.TypeFor(compute) == at::kBFloat16;
    std::string description =
        absl::StrCat(device_.info().model, "; ", bfloat16 ? "bfloat16" : "float32", "; LibTorch ", TORCH_VERSION);
    if (ranks_.size() > 1) absl::StrAppend(&description, "; ranks ", ranks_.size());
    if (device_.device().is_cuda()) {
      const cudaDeviceProp* properties = at::cuda::getDeviceProperties(device_.device().index());
      return absl::StrCat("cuda; ", description, "; sm_", properties->major, properties->minor);
    }
    return absl::StrCat("cpu; ", description, "; ", at::get_cpu_capability(), "; threads ", device_.info().threads);
  }

  int64_t BlockMemory(const storage::ModelConfig& config, int64_t samples, int64_t length, const BesaOptions& options,
                      std::optional<ComputeType> compute) const override {
    const BesaOptions resolved = ResolveOptions(options, config, samples);
    const auto total = [&](Placement placement) {
      return cost::PlanPruning(config, samples, length, resolved, Plan(compute, placement)).Total();
    };
    if (activations_) return total(*activations_);
    const int64_t on_device = total(Placement::kDevice);
    return device_.device().is_cuda() ? std::min(on_device, total(Placement::kHost)) : on_device;
  }

  int64_t EvaluationMemory(const storage::ModelConfig& config, int64_t length,
                           std::optional<ComputeType> compute) const override {
    return cost::PlanEvaluation(config, cost::EvaluationGroup(length), length, Plan(compute)).Total();
  }

  int64_t ComparisonMemory(const storage::ModelConfig& config, int64_t length,
                           std::optional<ComputeType> compute) const override {
    return cost::PlanComparison(config, cost::EvaluationGroup(length), length, Plan(compute)).Total();
  }

  int64_t PeakMemory() const override { return device_.PeakMemory(); }

  absl::StatusOr<double> MatrixProductRate() override {
    return CatchExceptions([&]() -> absl::StatusOr<double> {
      device_.Use();
      return MeasureMatrixProducts(device_, clock_);
    });
  }

  absl::StatusOr<double> AllReduceSeconds(int64_t count) override {
    return CatchExceptions([&]() -> absl::StatusOr<double> {
      device_.Use();
      return MeasureAllReduce(ranks_, device_, count, clock_);
    });
  }

  absl::StatusOr<BlockPruning> Prune(const PruneRequest& whole, const Observer& observer) override {
    RETURN_IF_ERROR(CheckRequest(whole, ranks_.size()));
    return CatchExceptions([&]() -> absl::StatusOr<BlockPruning> {
      device_.Use();
      const SampleShare share = ShareOf(whole);
      const TokenWindows own = WindowsOf(share, *whole.calibration);
      PruneRequest request = whole;
      request.calibration = &own;
      request.options = ResolveOptions(whole.options, *whole.config, share.samples, share.ranks);
      // What is of no use goes before memory is counted.
      KeepUsable(request, device_.OptionsFor(request.compute), kept_.streams);
      ASSIGN_OR_RETURN(const Placement placement, ChoosePlacement(request, share, kSharedBlock));
      kept_.streams.Place(placement);
      StageReporter reporter(observer, clock_);
      RETURN_IF_ERROR(
          TakeStored(request, share, device_.OptionsFor(request.compute), placement, reporter, kept_.streams.dense));
      return PruneBlock(request, share, ranks_, device_, placement, kept_, reporter);
    });
  }

  absl::StatusOr<BlockPruning> PruneOwnBlock(const PruneRequest& whole, const Observer& observer) override {
    RETURN_IF_ERROR(CheckGroupRequest(whole, ranks_));
    return CatchExceptions([&]() -> absl::StatusOr<BlockPruning> {
      device_.Use();
      const SampleShare share = ShareOf(whole);
      const TokenWindows own = WindowsOf(share, *whole.calibration);
      PruneRequest request = whole;
      request.calibration = &own;
      request.options = ResolveOptions(whole.options, *whole.config, share.samples);
      const at::TensorOptions options = device_.OptionsFor(request.compute);
      // They walk on from there together.
      PruneRequest to_first = request;
      to_first.block = request.block - share.rank;
      KeepUsable(to_first, options, kept_.streams);
      ASSIGN_OR_RETURN(const Placement placement, ChoosePlacement(request, share, kOwnBlock));
      kept_.streams.Place(placement);
      StageReporter reporter(observer, clock_);
      RETURN_IF_ERROR(TakeStored(to_first, share, options, placement, reporter, kept_.streams.dense));
      return pruner::PruneOwnBlock(request, share, ranks_, device_, placement, kept_, reporter);
    });
  }

  absl::StatusOr<GroupChoice> ChooseForGroup(const PruneRequest& whole) override {
    RETURN_IF_ERROR(CheckGroupRequest(whole, ranks_));
    return CatchExceptions([&]() -> absl::StatusOr<GroupChoice> {
      device_.Use();
      const SampleShare share = ShareOf(whole);
      PruneRequest request = whole;
      request.options = ResolveOptions(whole.options, *whole.config, share.samples);
      const absl::Status fits = ChoosePlacement(request, share, kOwnBlock).status();
      return pruner::ChooseForGroup(whole, Plan(whole.compute).compute, fits, ranks_, device_, clock_, exchange_rate_);
    });
  }

  absl::StatusOr<std::vector<StageSeconds>> Sweep(const SweepRequest& request, const Observer& observer) override {
    RETURN_IF_ERROR(CheckWindows(*request.windows, "windows", *request.config));
    return CatchExceptions([&]() -> absl::StatusOr<std::vector<StageSeconds>> {
      device_.Use();
      RETURN_IF_ERROR(CheckEvaluation("sweep", cost::PlanEvaluation(*request.config, request.windows->windows,
                                                                    request.windows->length, Plan(request.compute))));
      StageReporter reporter(observer, clock_);
      RETURN_IF_ERROR(SweepDense(request, device_.OptionsFor(request.compute), reporter));
      device_.Synchronize();
      return reporter.Finish();
    });
  }

  absl::StatusOr<BlockSurvey> SurveyBlocks(const SurveyRequest& request, const Observer& observer) override {
    RETURN_IF_ERROR(CheckWindows(*request.windows, "windows", *request.config));
    return CatchExceptions([&]() -> absl::StatusOr<BlockSurvey> {
      device_.Use();
      RETURN_IF_ERROR(CheckEvaluation("survey", cost::PlanSurvey(*request.config, request.windows->windows,
                                                                 request.windows->length, Plan(request.compute))));
      StageReporter reporter(observer, clock_);
      BlockSurvey survey;
      ASSIGN_OR_RETURN(survey.divergence, pruner::SurveyBlocks(request, device_.OptionsFor(request.compute), reporter));
      survey.stages = reporter.Finish();
      return survey;
    });
  }

  std::pair<std::string, int64_t> Cursor() const override {
    const ActivationStream& inputs = kept_.streams.pruned.key.empty() ? kept_.streams.dense : kept_.streams.pruned;
    return {inputs.key, inputs.block};
  }

  absl::StatusOr<PerplexityResult> Perplexity(const storage::ModelConfig& config, const storage::TensorSource& source,
                                              const TokenWindows& text, std::optional<ComputeType> compute,
                                              const Observer& observer) override {
    RETURN_IF_ERROR(CheckWindows(text, "text", config));
    return CatchExceptions([&]() -> absl::StatusOr<PerplexityResult> {
      device_.Use();
      RETURN_IF_ERROR(
          CheckEvaluation("evaluation", cost::PlanEvaluation(config, text.windows, text.length, Plan(compute))));
      StageReporter reporter(observer, clock_);
      return MeasurePerplexity(config, source, text, device_.OptionsFor(compute), reporter);
    });
  }

  absl::StatusOr<ComparisonResult> Compare(const storage::ModelConfig& config, const storage::TensorSource& dense,
                                           const storage::TensorSource& pruned, const TokenWindows& text,
                                           std::optional<ComputeType> compute, const Observer& observer) override {
    RETURN_IF_ERROR(CheckWindows(text, "text", config));
    return CatchExceptions([&]() -> absl::StatusOr<ComparisonResult> {
      device_.Use();
      RETURN_IF_ERROR(
          CheckEvaluation("comparison", cost::PlanComparison(config, text.windows, text.length, Plan(compute))));
      StageReporter reporter(observer, clock_);
      return CompareModels(config, dense, pruned, text, device_.OptionsFor(compute), reporter);
    });
  }

  absl::StatusOr<std::vector<float>> Logits(const storage::ModelConfig& config, const storage::TensorSource& source,
                                            const TokenWindows& text) override {
    RETURN_IF_ERROR(CheckWindows(text, "text", config));
    return CatchExceptions([&]() -> absl::StatusOr<std::vector<float>> {
      device_.Use();
      RETURN_IF_ERROR(CheckEvaluation(
          "evaluation", cost::PlanEvaluation(config, text.windows, text.length, Plan(ComputeType::kFloat32))));
      const Observer nobody;
      StageReporter reporter(nobody, clock_);
      std::vector<float> all;
      all.reserve(static_cast<size_t>(text.windows * text.length * config.vocab_size));
      RETURN_IF_ERROR(ForEachLogits(config, source, text, device_.OptionsFor(ComputeType::kFloat32), reporter,
                                    [&](int64_t, const at::Tensor& logits) {
                                      const at::Tensor host = logits.cpu().contiguous();
                                      all.insert(all.end(), host.data_ptr<float>(),
                                                 host.data_ptr<float>() + host.numel());
                                      return absl::OkStatus();
                                    }));
      return all;
    });
  }

 private:
  cost::ComputePlan Plan(std::optional<ComputeType> compute, Placement activations = Placement::kDevice) const {
    return {.cuda = device_.device().is_cuda(),
            .compute = device_.TypeFor(compute) == at::kBFloat16 ? ComputeType::kBFloat16 : ComputeType::kFloat32,
            .activations = activations};
  }

  SampleShare ShareOf(const PruneRequest& request) const {
    return {.samples = request.calibration->windows, .rank = ranks_.rank(), .ranks = ranks_.size()};
  }

  // What a way to prune a block takes of the device, and of the host beside a GPU.
  struct Needs {
    decltype(&cost::PlanPruning) of_device;
    decltype(&cost::HostActivations) of_host;
  };
  static constexpr Needs kSharedBlock = {cost::PlanPruning, cost::HostActivations};
  static constexpr Needs kOwnBlock = {cost::PlanShardedPruning, cost::HostShardedActivations};

  // Where this rank's calibration activations are kept. RESOURCE_EXHAUSTED if the block fits in no way.
  absl::StatusOr<Placement> ChoosePlacement(const PruneRequest& request, const SampleShare& share,
                                            const Needs& needs) const {
    const int64_t length = request.calibration->length;
    const auto compute = [&](Placement placement) {
      cost::ComputePlan of_rank = Plan(request.compute, placement);
      of_rank.ranks = share.ranks;
      return of_rank;
    };
    const auto plan = [&](Placement placement) {
      return needs.of_device(*request.config, share.samples, length, request.options, compute(placement));
    };
    const bool cuda = device_.device().is_cuda();
    const std::string what = absl::StrCat("block ", request.block);
    if (activations_ != Placement::kHost) {
      const absl::Status fits = CheckMemory(what, plan(Placement::kDevice));
      if (fits.ok()) return Placement::kDevice;
      // A CPU has but one memory.
      if (activations_.has_value() || !cuda) return fits;
    }
    RETURN_IF_ERROR(
        CheckMemory(absl::StrCat(what, ", with calibration activations in host memory"), plan(Placement::kHost)));
    if (!cuda) return Placement::kHost;
    const int64_t needed =
        needs.of_host(*request.config, share.samples, length, request.options, compute(Placement::kHost));
    const int64_t free = ComputeDevice::AvailableHostMemory(kept_.streams.bytes());
    if (needed > free) {
      return NotEnoughMemory(absl::StrCat(what, ", in host memory"), "calibration activations", needed, free);
    }
    return Placement::kHost;
  }

  int64_t held() const { return kept_.streams.bytes() + kept_.workspace.bytes(); }

  // What is held counts as free: PlanPruning has it among its parts.
  absl::Status CheckMemory(const std::string& what, const cost::MemoryPlan& plan) const {
    const int64_t available = device_.AvailableMemory(held());
    if (plan.Total() <= available) return absl::OkStatus();
    return NotEnoughMemory(what, plan.Describe(), plan.Total(), available);
  }

  absl::Status CheckEvaluation(const std::string& what, const cost::MemoryPlan& plan) {
    // What is kept for pruning can be made again: it gives way.
    if (plan.Total() + held() > device_.AvailableMemory(held())) {
      kept_.streams = {};
      kept_.observed = {};
      kept_.workspace.Clear();
      kept_.ahead.Clear();
    }
    return CheckMemory(what, plan);
  }

  ComputeDevice device_;
  const std::optional<Placement> activations_;
  const Clock& clock_;
  const std::unique_ptr<RankGroup> group_;
  RankGroup& ranks_;
  KeptState kept_;
  // Bytes a second between the ranks; 0 until it is known.
  double exchange_rate_ = 0.0;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Engine>> Engine::Create(const EngineOptions& options) {
  return CatchExceptions([&]() -> absl::StatusOr<std::unique_ptr<Engine>> {
    ASSIGN_OR_RETURN(ComputeDevice device, ComputeDevice::Open(options));
    device.Use();
    std::unique_ptr<RankGroup> group;
    if (options.ranks) {
      ASSIGN_OR_RETURN(group, JoinRanks(*options.ranks, device.device()));
    }
    return std::make_unique<TorchEngine>(std::move(device), std::move(group), options);
  });
}

}  // namespace besa::pruner
