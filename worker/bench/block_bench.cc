#include "worker/bench/block_bench.h"

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cost/block_flops.h"
#include "cost/block_shape.h"
#include "cost/memory_plan.h"
#include "storage/base/format_bytes.h"
#include "storage/base/status_macros.h"
#include "worker/bench/synthetic_source.h"
#include "worker/pruner/kernel_times.h"

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

// The random model with one of its blocks as it was pruned.
class CommittedSource final : public storage::TensorSource {
 public:
  explicit CommittedSource(const storage::TensorSource& dense) : dense_(dense) {}

  void Commit(std::vector<storage::HostTensor> tensors) {
    tensors_.clear();
    for (storage::HostTensor& tensor : tensors) {
      const std::string name = tensor.name;
      tensors_.emplace(name, std::move(tensor));
    }
  }

  absl::StatusOr<storage::TensorLocation> Find(absl::string_view name) const override { return dense_.Find(name); }
  absl::StatusOr<storage::HostTensor> Read(absl::string_view name) const override {
    const auto found = tensors_.find(name);
    return found == tensors_.end() ? dense_.Read(name) : absl::StatusOr<storage::HostTensor>(found->second);
  }

 private:
  const storage::TensorSource& dense_;
  std::map<std::string, storage::HostTensor, std::less<>> tensors_;
};

// One block after the other, as a worker prunes them.
class BlockSeries {
 public:
  BlockSeries(pruner::Engine& engine, const BlockBenchRequest& request)
      : engine_(engine),
        request_(request),
        dense_(std::make_shared<SyntheticSource>(request.config)),
        committed_(*dense_),
        calibration_(RandomTokens(request)) {}

  absl::StatusOr<pruner::BlockPruning> PruneNext(const pruner::Observer& observer) {
    const bool sequential = request_.options.schedule == pruner::Schedule::kSequential;
    pruner::PruneRequest prune = Request(sequential);
    ASSIGN_OR_RETURN(pruner::BlockPruning pruning,
                     request_.sharded ? engine_.PruneOwnBlock(prune, observer) : engine_.Prune(prune, observer));
    if (sequential) {
      committed_.Commit(std::move(pruning.tensors));
      identities_.push_back(absl::StrCat(next_));
    }
    next_ += at_once();
    return pruning;
  }

  absl::StatusOr<pruner::GroupChoice> Choose() { return engine_.ChooseForGroup(Request(/*sequential=*/false)); }

  int64_t at_once() const { return request_.sharded ? std::max(1, request_.ranks) : 1; }

 private:
  // This rank's.
  pruner::PruneRequest Request(bool sequential) const {
    const int64_t block = next_ + (request_.sharded ? request_.rank : 0);
    pruner::PruneRequest prune{.config = &request_.config,
                               .dense = dense_.get(),
                               .pruned = sequential ? &committed_ : nullptr,
                               .committed = identities_,
                               .block_tensors = TensorsOf(block),
                               .stream_key = "bench",
                               .calibration = &calibration_,
                               .block = block,
                               .options = request_.options,
                               .compute = request_.compute};
    // As a worker reads ahead.
    const int64_t last = block + at_once() + (cost::LooksAhead(request_.options) ? 1 : 0);
    for (int64_t next = block + at_once(); next <= last; ++next) prune.next.push_back({next, TensorsOf(next), dense_});
    return prune;
  }

  std::vector<std::string> TensorsOf(int64_t block) const {
    std::vector<std::string> names;
    for (const auto& [name, shape] : storage::BlockTensorShapes(request_.config, block)) names.push_back(name);
    return names;
  }

  pruner::Engine& engine_;
  const BlockBenchRequest& request_;
  const std::shared_ptr<const SyntheticSource> dense_;
  CommittedSource committed_;
  std::vector<std::string> identities_;
  const pruner::TokenWindows calibration_;
  int64_t next_ = 0;
};

// Prunes one block more and traces the kernels of its training.
absl::Status TraceStep(BlockSeries& series, BlockBenchResult& result) {
  std::unique_ptr<pruner::KernelTimes> times;
  absl::StatusOr<pruner::KernelTimes::Sum> sum = absl::InternalError("nothing was trained");
  absl::Status failed;
  const pruner::Observer observer = [&](const pruner::Progress& progress) {
    if (progress.step > 0) return true;
    if (progress.stage == "train") {
      auto started = pruner::KernelTimes::Start();
      if (!started.ok()) failed = started.status();
      if (started.ok()) times = *std::move(started);
    } else if (times != nullptr) {
      sum = times->Stop();
      times.reset();
    }
    return failed.ok();
  };
  const auto pruning = series.PruneNext(observer);
  RETURN_IF_ERROR(failed);
  RETURN_IF_ERROR(pruning.status());
  RETURN_IF_ERROR(sum.status());
  const auto steps = static_cast<double>(pruning->loss.size());
  result.step_kernel_seconds = sum->seconds / steps;
  result.step_kernels = static_cast<double>(sum->kernels) / steps;
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<BlockBenchResult> BenchBlock(pruner::Engine& engine, const BlockBenchRequest& request,
                                            const Clock& clock) {
  BlockSeries series(engine, request);
  BlockBenchResult result;
  result.planned_memory =
      engine.BlockMemory(request.config, request.samples, request.length, request.options, request.compute);
  const double share = 1.0 / static_cast<double>(request.blocks - 1);
  absl::Duration begin;
  int64_t steps = 0;
  for (int64_t block = 0; block < request.blocks; ++block) {
    if (block == 1) begin = clock.Steady();
    ASSIGN_OR_RETURN(const pruner::BlockPruning pruning, series.PruneNext(nullptr));
    result.final_loss = pruning.final_loss;
    result.sparsity = pruning.sparsity.empty() ? 0.0 : pruning.sparsity.back();
    steps = std::ssize(pruning.loss);
    if (block > 0) Add(pruning.stages, share, result.stages);
  }
  result.seconds = absl::ToDoubleSeconds(clock.Steady() - begin) * share;
  for (const StageSeconds& stage : result.stages) {
    if (stage.stage != "load" && stage.stage != "write") result.device_seconds += stage.seconds;
    if (stage.stage == "train" && steps > 0) result.step_seconds = stage.seconds / static_cast<double>(steps);
  }
  result.blocks_at_once = series.at_once();
  if (request.sharded) {
    ASSIGN_OR_RETURN(result.choice, series.Choose());
  }
  if (request.kernels) RETURN_IF_ERROR(TraceStep(series, result));
  result.peak_memory = engine.PeakMemory();
  const pruner::BesaOptions options = pruner::ResolveOptions(request.options, request.config, request.samples,
                                                             request.sharded ? 1 : std::max(1, request.ranks));
  if (request.ranks > 0 && !request.sharded) RETURN_IF_ERROR(MeasureSteps(engine, request, options, result.steps));
  ASSIGN_OR_RETURN(result.flops_per_second, engine.MatrixProductRate());
  result.flops = cost::BlockFlops(request.config, /*block=*/0, request.samples, request.length, options);
  result.floor_seconds = result.flops / result.flops_per_second;
  return result;
}

std::string Describe(const BlockBenchRequest& request, const BlockBenchResult& result) {
  std::string text = absl::StrFormat("%d samples of %d tokens\n", request.samples, request.length);
  for (const StageSeconds& stage : result.stages) {
    absl::StrAppendFormat(&text, "  %-12s %8.3f s\n", stage.stage, stage.seconds);
  }
  absl::StrAppendFormat(&text, "%-14s %8.3f s, of which on the device %.3f s: %.0f TFLOP/s\n",
                        result.blocks_at_once > 1 ? "a sweep" : "a block", result.seconds, result.device_seconds,
                        result.flops / result.device_seconds * 1e-12);
  absl::StrAppendFormat(&text, "blocks an hour %8.0f\n",
                        static_cast<double>(result.blocks_at_once) * 3600.0 / result.seconds);
  if (result.choice) {
    absl::StrAppendFormat(&text, "the model says %s: %s\n", result.choice->own_blocks ? "a block each" : "together",
                          result.choice->why);
  }
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
  absl::StrAppendFormat(&text, "peak memory    %s (planned: at least %s)\n", FormatBytes(result.peak_memory),
                        FormatBytes(result.planned_memory));
  if (result.step_kernel_seconds > 0) {
    absl::StrAppendFormat(&text, "a step         %8.3f ms, its %.0f kernels %.3f ms: ratio %.2f\n",
                          result.step_seconds * 1e3, result.step_kernels, result.step_kernel_seconds * 1e3,
                          result.step_seconds / result.step_kernel_seconds);
  }
  absl::StrAppendFormat(&text, "final loss     %.4g at sparsity %.4f\n", result.final_loss, result.sparsity);
  return text;
}

}  // namespace besa::bench
