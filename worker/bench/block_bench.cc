#include "worker/bench/block_bench.h"

#include <algorithm>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cost/block_flops.h"
#include "cost/block_shape.h"
#include "cost/memory_plan.h"
#include "storage/base/format_bytes.h"
#include "storage/base/status_macros.h"
#include "worker/bench/synthetic_source.h"

namespace besa::bench {
namespace {

using pruner::StageSeconds;

pruner::TokenWindows RandomTokens(const BlockBenchRequest& request) {
  pruner::TokenWindows windows{.windows = request.samples, .length = request.length};
  std::mt19937 generator(1);
  windows.ids.resize(static_cast<size_t>(request.samples * request.length));
  for (int32_t& id : windows.ids) id = static_cast<int32_t>(generator() % request.config.vocab_size);
  return windows;
}

void Add(const std::vector<StageSeconds>& stages, double share, std::vector<StageSeconds>& sum) {
  for (const StageSeconds& stage : stages) {
    auto found = std::find_if(sum.begin(), sum.end(), [&](const auto& s) { return s.stage == stage.stage; });
    if (found == sum.end()) found = sum.insert(sum.end(), {stage.stage, 0.0});
    found->seconds += stage.seconds * share;
  }
}

// What the ranks add up in each step: see worker/pruner/block_trainer.cc and recovery.cc.
absl::Status MeasureSteps(pruner::Engine& engine, const BlockBenchRequest& request, const pruner::BesaOptions& options,
                          std::vector<BlockBenchResult::Steps>& steps) {
  const cost::BlockShape shape = cost::BlockShape::Of(request.config, 0);
  const auto measure = [&](const char* stage, int64_t epochs, int64_t batch, int64_t gradient) -> absl::Status {
    BlockBenchResult::Steps measured = {.stage = stage, .steps = epochs * ((request.samples + batch - 1) / batch)};
    for (const int64_t count : {2 * shape.hidden, gradient}) {
      ASSIGN_OR_RETURN(const double seconds, engine.AllReduceSeconds(count));
      measured.all_reduces.emplace_back(count, seconds);
    }
    steps.push_back(std::move(measured));
    return absl::OkStatus();
  };
  if (options.method == pruner::Method::kBesa) {
    RETURN_IF_ERROR(measure("train", options.epochs, options.batch_size, shape.TotalRows() * cost::kCandidateRates));
  }
  if (!options.recovery.given()) return absl::OkStatus();
  // In bfloat16, half the bytes of as many float32 numbers.
  const bool bfloat16 = engine.device().id != "cpu" && request.compute != pruner::ComputeType::kFloat32;
  return measure("recover", options.recovery.epochs, options.recovery.batch_size,
                 shape.TotalWeights() / (bfloat16 ? 2 : 1));
}

}  // namespace

absl::StatusOr<BlockBenchResult> BenchBlock(pruner::Engine& engine, const BlockBenchRequest& request,
                                            const Clock& clock) {
  const SyntheticSource source(request.config);
  const pruner::TokenWindows calibration = RandomTokens(request);
  BlockBenchResult result;
  result.planned_memory =
      engine.BlockMemory(request.config, request.samples, request.length, request.options, request.compute);
  const double share = 1.0 / static_cast<double>(request.blocks - 1);
  absl::Duration begin;
  for (int64_t block = 0; block < request.blocks; ++block) {
    if (block == 1) begin = clock.Steady();
    pruner::PruneRequest prune{.config = &request.config,
                               .dense = &source,
                               .stream_key = "bench",
                               .calibration = &calibration,
                               .block = block,
                               .options = request.options,
                               .compute = request.compute};
    for (const auto& [name, shape] : storage::BlockTensorShapes(request.config, block)) {
      prune.block_tensors.push_back(name);
    }
    ASSIGN_OR_RETURN(const pruner::BlockPruning pruning, engine.Prune(prune, nullptr));
    result.final_loss = pruning.final_loss;
    result.sparsity = pruning.sparsity.empty() ? 0.0 : pruning.sparsity.back();
    if (block > 0) Add(pruning.stages, share, result.stages);
  }
  result.seconds = absl::ToDoubleSeconds(clock.Steady() - begin) * share;
  for (const StageSeconds& stage : result.stages) {
    if (stage.stage != "load" && stage.stage != "write") result.device_seconds += stage.seconds;
  }
  result.peak_memory = engine.PeakMemory();
  const pruner::BesaOptions options =
      pruner::ResolveOptions(request.options, request.config, request.samples, std::max(1, request.ranks));
  if (request.ranks > 0) RETURN_IF_ERROR(MeasureSteps(engine, request, options, result.steps));
  ASSIGN_OR_RETURN(result.flops_per_second, engine.MatrixProductRate());
  result.flops = cost::BlockFlops(request.config, request.samples, request.length, options);
  result.floor_seconds = result.flops / result.flops_per_second;
  return result;
}

std::string Describe(const BlockBenchRequest& request, const BlockBenchResult& result) {
  std::string text = absl::StrFormat("%d samples of %d tokens\n", request.samples, request.length);
  for (const StageSeconds& stage : result.stages) {
    absl::StrAppendFormat(&text, "  %-12s %8.3f s\n", stage.stage, stage.seconds);
  }
  absl::StrAppendFormat(&text, "a block        %8.3f s, of which on the device %.3f s: %.0f TFLOP/s\n", result.seconds,
                        result.device_seconds, result.flops / result.device_seconds * 1e-12);
  absl::StrAppendFormat(&text, "floor          %8.3f s: %.1f TFLOP at %.0f TFLOP/s of a sustained matrix product\n",
                        result.floor_seconds, result.flops * 1e-12, result.flops_per_second * 1e-12);
  absl::StrAppendFormat(&text, "floor / device %8.3f\n", result.floor_seconds / result.device_seconds);
  for (const BlockBenchResult::Steps& steps : result.steps) {
    double seconds = 0.0;
    for (const auto& [stage, of_block] : result.stages) {
      if (stage == steps.stage) seconds = of_block;
    }
    const double step = seconds / static_cast<double>(steps.steps);
    absl::StrAppendFormat(&text, "%-7s step   %8.3f ms on %d ranks, of which all-reduce", steps.stage, step * 1e3,
                          request.ranks);
    double adding = 0.0;
    for (const auto& [count, each] : steps.all_reduces) {
      absl::StrAppendFormat(&text, " %.3f ms (%s)", each * 1e3, FormatBytes(count * 4));
      adding += each;
    }
    absl::StrAppendFormat(&text, ": %.2f%%\n", 100.0 * adding / step);
  }
  absl::StrAppendFormat(&text, "peak memory    %s (planned %s)\n", FormatBytes(result.peak_memory),
                        FormatBytes(result.planned_memory));
  absl::StrAppendFormat(&text, "final loss     %.4g at sparsity %.4f\n", result.final_loss, result.sparsity);
  return text;
}

}  // namespace besa::bench
