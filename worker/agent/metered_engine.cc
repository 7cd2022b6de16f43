#include "worker/agent/metered_engine.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>

#include "cost/block_flops.h"
#include "prometheus/gauge.h"
#include "spdlog/spdlog.h"
#include "storage/base/status_macros.h"

namespace besa::worker {
namespace {

using pruner::Engine;
using pruner::Observer;

class MeteredEngine final : public Engine {
 public:
  MeteredEngine(std::unique_ptr<Engine> engine, prometheus::Registry& registry)
      : engine_(std::move(engine)),
        ratio_(prometheus::BuildGauge()
                   .Name("besa_worker_gemm_floor_ratio")
                   .Help("Of the last block pruned with BESA: time of its FLOPs at the rate of a large matrix product, "
                         "over the time they took.")
                   .Register(registry)) {}

  absl::StatusOr<pruner::BlockPruning> Prune(const pruner::PruneRequest& request, const Observer& observer) override {
    const bool measured = IsMeasured(request);
    if (measured && outdated_) MeasureRate();
    auto pruning = engine_->Prune(request, observer);
    if (measured && pruning.ok()) Tell(request, *pruning);
    return pruning;
  }

  // Of an engine that works alone, which is measured, there is no group.
  absl::StatusOr<pruner::BlockPruning> PruneOwnBlock(const pruner::PruneRequest& request,
                                                     const Observer& observer) override {
    return engine_->PruneOwnBlock(request, observer);
  }
  absl::StatusOr<pruner::GroupChoice> ChooseForGroup(const pruner::PruneRequest& request) override {
    return engine_->ChooseForGroup(request);
  }

  const pruner::DeviceInfo& device() const override { return engine_->device(); }
  std::string NumericsClass(std::optional<pruner::ComputeType> compute) const override {
    return engine_->NumericsClass(compute);
  }
  int64_t BlockMemory(const storage::ModelConfig& config, int64_t samples, int64_t length,
                      const pruner::BesaOptions& options, std::optional<pruner::ComputeType> compute) const override {
    return engine_->BlockMemory(config, samples, length, options, compute);
  }
  int64_t EvaluationMemory(const storage::ModelConfig& config, int64_t length,
                           std::optional<pruner::ComputeType> compute) const override {
    return engine_->EvaluationMemory(config, length, compute);
  }
  int64_t ComparisonMemory(const storage::ModelConfig& config, int64_t length,
                           std::optional<pruner::ComputeType> compute) const override {
    return engine_->ComparisonMemory(config, length, compute);
  }
  int64_t PeakMemory() const override { return engine_->PeakMemory(); }
  absl::StatusOr<double> MatrixProductRate() override { return engine_->MatrixProductRate(); }
  absl::StatusOr<double> AllReduceSeconds(int64_t count) override { return engine_->AllReduceSeconds(count); }
  absl::StatusOr<std::vector<pruner::StageSeconds>> Sweep(const pruner::SweepRequest& request,
                                                          const Observer& observer) override {
    return engine_->Sweep(request, observer);
  }
  absl::StatusOr<pruner::BlockSurvey> SurveyBlocks(const pruner::SurveyRequest& request,
                                                   const Observer& observer) override {
    return engine_->SurveyBlocks(request, observer);
  }
  std::pair<std::string, int64_t> Cursor() const override { return engine_->Cursor(); }
  absl::StatusOr<pruner::PerplexityResult> Perplexity(const storage::ModelConfig& config,
                                                      const storage::TensorSource& source,
                                                      const pruner::TokenWindows& text,
                                                      std::optional<pruner::ComputeType> compute,
                                                      const Observer& observer) override {
    return engine_->Perplexity(config, source, text, compute, observer);
  }
  absl::StatusOr<pruner::ComparisonResult> Compare(
      const storage::ModelConfig& config, const storage::TensorSource& dense, const storage::TensorSource& pruned,
      const pruner::TokenWindows& text, std::optional<pruner::ComputeType> compute, const Observer& observer) override {
    return engine_->Compare(config, dense, pruned, text, compute, observer);
  }
  absl::StatusOr<std::vector<float>> Logits(const storage::ModelConfig& config, const storage::TensorSource& source,
                                            const pruner::TokenWindows& text) override {
    return engine_->Logits(config, source, text);
  }

 private:
  // Other methods hardly multiply, and the rate is that of the device's own type: a share would say nothing.
  bool IsMeasured(const pruner::PruneRequest& request) const {
    const auto own = device().id == "cpu" ? pruner::ComputeType::kFloat32 : pruner::ComputeType::kBFloat16;
    return request.options.method == pruner::Method::kBesa && request.compute.value_or(own) == own;
  }

  void MeasureRate() {
    outdated_ = false;
    const absl::StatusOr<double> rate = engine_->MatrixProductRate();
    if (!rate.ok()) {
      spdlog::warn("the rate of a matrix product cannot be measured, so the share of the floor stays unknown: {}",
                   std::string(rate.status().message()));
      return;
    }
    spdlog::info("a large matrix product runs at {:.3g} TFLOP/s here", *rate * 1e-12);
    rate_ = std::max(rate_, *rate);
  }

  void Tell(const pruner::PruneRequest& request, const pruner::BlockPruning& pruning) {
    const pruner::TokenWindows& calibration = *request.calibration;
    const pruner::BesaOptions options = pruner::ResolveOptions(request.options, *request.config, calibration.windows);
    const double seconds = DeviceSeconds(pruning.stages, options.schedule);
    if (rate_ <= 0.0 || seconds <= 0.0) return;
    const double flops =
        cost::BlockFlops(*request.config, request.block, calibration.windows, calibration.length, options);
    const double share = flops / rate_ / seconds;
    outdated_ = share > 1.0;
    if (!outdated_) ratio_.Add({}).Set(share);
  }

  const std::unique_ptr<Engine> engine_;
  prometheus::Family<prometheus::Gauge>& ratio_;
  // FLOP/s; 0 until it is known.
  double rate_ = 0.0;
  bool outdated_ = true;
};

}  // namespace

double DeviceSeconds(const std::vector<pruner::StageSeconds>& stages, pruner::Schedule schedule) {
  constexpr std::array kOfStore = {"fetch", "load", "write"};
  double seconds = 0.0;
  for (const pruner::StageSeconds& stage : stages) {
    if (std::ranges::find(kOfStore, stage.stage) != kOfStore.end()) continue;
    if (schedule == pruner::Schedule::kIndependent && stage.stage == "walk") continue;
    seconds += stage.seconds;
  }
  return seconds;
}

std::unique_ptr<pruner::Engine> MeterEngine(std::unique_ptr<pruner::Engine> engine, prometheus::Registry& registry) {
  return std::make_unique<MeteredEngine>(std::move(engine), registry);
}

}  // namespace besa::worker
