#include "cost/memory_plan.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cost/attention_kind.h"
#include "cost/batches.h"
#include "cost/block_shape.h"
#include "storage/base/format_bytes.h"

namespace besa::cost {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20;
// Checkpoints hold at most this many bytes a weight that are worth planning for.
constexpr int64_t kHostBytes = 4;
constexpr int64_t kAccumulatorBytes = 4;
// Norms, rotary tables, token ids, scalars.
constexpr int64_t kSmallTensors = kMiB;
// The workspaces of cuBLAS, one more for the stream that a step is recorded on, and the caching allocator's rounding.
constexpr int64_t kCudaOverhead = 320 * kMiB;
// What LibTorch converts for a product at a time on processors without instructions for bfloat16: 1 MiB was seen.
constexpr int64_t kConvertedOperands = 2 * kMiB;
// Multiprocessors of the largest card: deterministic FlashAttention keeps one partial sum for each of them.
constexpr int64_t kMultiprocessors = 144;

// Sizes that the formulas are written in. H, I: hidden and intermediate size; A: query heads times head size; Q: rows
// of the q/k/v group; N: normalised q and k. Named as in worker/pruner/llama_block.cc.
struct Sizes {
  Sizes(const storage::ModelConfig& model, int64_t tokens_of_window, const ComputePlan& plan)
      : config(model), shape(BlockShape::Of(model, 0)), compute(plan), length(tokens_of_window) {}

  int64_t element() const { return compute.compute == ComputeType::kBFloat16 ? 2 : 4; }
  int64_t H() const { return shape.hidden; }
  int64_t I() const { return shape.intermediate; }
  int64_t A() const { return shape.heads * shape.head_dim; }
  int64_t Q() const { return shape.GroupRows(kQkv); }
  // Of q and k, if they are normalised.
  int64_t NormedHeads() const { return shape.qk_norm ? shape.heads + shape.kv_heads : 0; }
  int64_t N() const { return NormedHeads() * shape.head_dim; }

  int64_t Weights() const { return shape.TotalWeights() * element(); }
  int64_t Embedding() const { return config.vocab_size * H() * element(); }
  // A tensor's bytes as read, where host memory is the device's memory.
  int64_t HostBytes(int64_t weights) const { return compute.cuda ? 0 : weights * kHostBytes; }
  int64_t LargestLinear() const {
    int64_t largest = 0;
    for (Linear linear : kAllLinears) largest = std::max(largest, shape.Rows(linear) * shape.Cols(linear));
    return largest;
  }
  int64_t LargestGroup() const {
    int64_t largest = 0;
    for (int group = 0; group < kGroups; ++group) {
      largest = std::max(largest, shape.GroupRows(Group(group)) * shape.GroupCols(Group(group)));
    }
    return largest;
  }

  AttentionKind attention() const {
    return ChooseAttention(compute.cuda, compute.compute == ComputeType::kBFloat16, shape.head_dim);
  }
  // Bytes a token: scores and what is computed from them, where they are held.
  int64_t Scores(int64_t copies) const {
    return attention() == AttentionKind::kExplicit ? copies * shape.heads * length * element() : 0;
  }

  // Where a window cuts something off: what hides the rest, and what it is made from.
  int64_t Mask() const {
    const bool slides = config.sliding_window > 0 && config.sliding_window < length;
    return slides && attention() != AttentionKind::kFlashCuda ? length * length * (element() + 3) : 0;
  }

  // Bytes a token while a block's output is computed, nothing kept: the input's norm, residual, and the MLP.
  int64_t Forward() const {
    return std::max({(2 * H() + 3 * I()) * element(), (H() + Q() + N() + 4 * A()) * element() + Scores(2),
                     (H() + Q() + N()) * element() + N() * kAccumulatorBytes});
  }
  // The same with everything kept for the backward pass.
  int64_t ForwardKept() const {
    return (4 * H() + Q() + N() + A() + 3 * I()) * element() + (shape.heads + NormedHeads()) * kAccumulatorBytes +
           Scores(2);
  }
  // Bytes a token at the peak of a training step: in the loss, in the MLP's backward pass or in attention's.
  int64_t Step(int64_t batch) const {
    const int64_t loss = ForwardKept();
    const int64_t mlp = (5 * H() + Q() + N() + A() + 3 * I()) * element() + Scores(1);
    int64_t attention_backward = (3 * H() + 2 * Q() + N() + 7 * A()) * element() + Scores(3);
    if (attention() == AttentionKind::kFlashCuda) {
      attention_backward += (kMultiprocessors / (batch * shape.heads) + 1) * A() * kAccumulatorBytes;
    }
    const int64_t head_norms = (2 * H() + 2 * Q()) * element() + 3 * N() * kAccumulatorBytes;
    return std::max({loss, mlp, attention_backward, head_norms});
  }
  // The same where the loss looks ahead with `ahead` windows of the batch: the next block's step, which keeps no inputs
  // of its linears, beside the output of this one and everything that it has kept; or this one's step.
  int64_t StepLookingAhead(int64_t batch, int64_t ahead) const {
    return std::max(Step(batch), ForwardKept() + H() * element() + Step(batch) * ahead / batch);
  }

  storage::ModelConfig config;
  BlockShape shape;
  ComputePlan compute;
  int64_t length;
};

const MemoryPlan& Largest(const std::vector<MemoryPlan>& moments) {
  return *std::max_element(moments.begin(), moments.end(),
                           [](const MemoryPlan& a, const MemoryPlan& b) { return a.Total() < b.Total(); });
}

void AddMask(const Sizes& sizes, MemoryPlan& plan) {
  if (sizes.Mask() > 0) plan.parts.push_back({"attention mask", sizes.Mask()});
}

void AddOverhead(const ComputePlan& compute, MemoryPlan& plan) {
  plan.parts.push_back({"small tensors", kSmallTensors});
  if (compute.cuda) plan.parts.push_back({"library workspaces", kCudaOverhead});
}

// An evaluation of one model, or of two side by side.
MemoryPlan PlanModels(int models, const storage::ModelConfig& config, int64_t windows, int64_t length,
                      const ComputePlan& compute) {
  const Sizes sizes(config, length, compute);
  const int64_t group = std::min(windows, EvaluationGroup(length));
  const int64_t stream = models * group * length * sizes.H() * sizes.element();
  const int64_t walk_tokens = std::min(group, WalkBatch(length, compute.cuda)) * length;
  const int64_t embedding_as_read = sizes.HostBytes(config.vocab_size * sizes.H());
  const MemoryPlan walk = {.parts = {{"activations", stream},
                                     {"weights", sizes.Weights() + sizes.LargestLinear() * sizes.element()},
                                     {"tensor as read", sizes.HostBytes(sizes.LargestLinear())},
                                     {"forward pass", walk_tokens * sizes.Forward()}}};
  const MemoryPlan load_head = {
      .parts = {{"activations", stream}, {"head", sizes.Embedding()}, {"head as read", embedding_as_read}}};
  // Each model's logarithms; with the last model's, its logits in float32, and before that in the model's type where it
  // is another.
  const int64_t logit_bytes =
      (models + 1) * kAccumulatorBytes + (sizes.element() == kAccumulatorBytes ? 0 : sizes.element());
  const int64_t logits =
      std::min(group, LogitWindows(config.vocab_size, length)) * length * config.vocab_size * logit_bytes;
  const MemoryPlan head = {.parts = {{"activations", stream}, {"head", sizes.Embedding()}, {"logits", logits}}};
  MemoryPlan plan = Largest({walk, load_head, head});
  AddMask(sizes, plan);
  AddOverhead(compute, plan);
  return plan;
}

}  // namespace

int64_t MemoryPlan::Total() const {
  int64_t total = 0;
  for (const Part& part : parts) total += part.bytes;
  return total;
}

std::string MemoryPlan::Describe() const {
  std::vector<Part> sorted = parts;
  std::stable_sort(sorted.begin(), sorted.end(), [](const Part& a, const Part& b) { return a.bytes > b.bytes; });
  return absl::StrJoin(sorted, ", ", [](std::string* out, const Part& part) {
    absl::StrAppend(out, part.name, " ", FormatBytes(part.bytes));
  });
}

namespace {

int64_t Square(int64_t n) { return n * n; }

// The largest of the ranks' shares.
int64_t ShareOf(int64_t samples, const ComputePlan& compute) { return (samples + compute.ranks - 1) / compute.ranks; }

// float64 throughout, as in worker/pruner/hessian.cc.
int64_t Hessians(const Sizes& sizes) {
  int64_t bytes = 0;
  for (int group = 0; group < kGroups; ++group) bytes += 8 * Square(sizes.shape.GroupCols(Group(group)));
  return bytes;
}

// Beyond the Hessians, while a batch's products are added to them.
int64_t AddingToHessians(const Sizes& sizes, int64_t tokens) {
  int64_t cols = 0;
  for (int group = 0; group < kGroups; ++group) cols = std::max(cols, sizes.shape.GroupCols(Group(group)));
  const bool products_in_float32 = sizes.compute.cuda && sizes.compute.compute == ComputeType::kBFloat16;
  return products_in_float32 ? kAccumulatorBytes * Square(cols) : 8 * tokens * cols;
}

// What sorting a mask or scores of a linear takes at most, a weight: values, sorted values, int64 indices; on CUDA
// everything twice.
int64_t SortBytes(const Sizes& sizes) { return sizes.compute.cuda ? 32 : 16; }

// Weights and order of what is done, a weight.
constexpr int64_t kSolvedBytes = kAccumulatorBytes + 2;

// In the order of worker/pruner/sparsegpt_method.cc: what factors and updates take, with the Hessians that are still to
// come and what is done.
int64_t SolvingSparseGpt(const Sizes& sizes) {
  int64_t waiting = Hessians(sizes);
  int64_t done = 0;
  int64_t peak = 0;
  for (int group = kGroups - 1; group >= 0; --group) {
    const int64_t square = 8 * Square(sizes.shape.GroupCols(Group(group)));
    const int64_t weights = sizes.shape.GroupRows(Group(group)) * sizes.shape.GroupCols(Group(group));
    waiting -= square;
    const int64_t factor = 3 * square;
    // In float64, and where they go.
    const int64_t update = square + (8 + 1) * weights;
    const int64_t masks = (kSolvedBytes + 1) * weights + SortBytes(sizes) * sizes.LargestLinear();
    peak = std::max(peak, waiting + done + std::max({factor, update, masks}));
    done += kSolvedBytes * weights;
  }
  return peak;
}

// What a method other than BESA takes beyond activations, reference and weights.
std::vector<MemoryPlan::Part> Solving(const Sizes& sizes, Method method) {
  if (method == Method::kSparseGpt) return {{"solving", SolvingSparseGpt(sizes)}};
  // A whole linear as one row takes a second copy of the indices.
  const int64_t sort = method == Method::kMagnitude ? SortBytes(sizes) + 8 : SortBytes(sizes);
  return {{"order of importance", 2 * sizes.shape.TotalWeights()}, {"sorting", (sort + 1) * sizes.LargestLinear()}};
}

}  // namespace

MemoryPlan PlanPruning(const storage::ModelConfig& config, int64_t all_samples, int64_t length,
                       const BesaOptions& all_options, const ComputePlan& compute) {
  const int64_t samples = ShareOf(all_samples, compute);
  BesaOptions options = all_options;
  options.batch_size = ShareOf(options.batch_size, compute);
  options.recovery.batch_size = ShareOf(options.recovery.batch_size, compute);
  const Sizes sizes(config, length, compute);
  const bool streaming = compute.activations == Placement::kHost;
  const int64_t stream = streaming && compute.cuda ? 0 : samples * length * sizes.H() * sizes.element();
  // While walking; later the dense stream is the reference.
  const int64_t streams = TakesDenseStream(options) && TakesPrunedStream(options) ? 2 * stream : stream;
  const int64_t walk_tokens = std::min(samples, WalkBatch(length, compute.cuda)) * length;
  // Other methods have no steps, and no batch size.
  const bool besa = options.method == Method::kBesa;
  const int64_t batch_tokens = besa ? std::min(samples, options.batch_size) * length : 0;
  const bool ahead = LooksAhead(options);
  const auto step_of = [&](int64_t batch, int64_t looking_ahead) {
    return ahead ? sizes.StepLookingAhead(batch, looking_ahead) : sizes.Step(batch);
  };
  const int64_t training_step =
      besa ? batch_tokens * step_of(options.batch_size, WindowsLookingAhead(options, options.batch_size)) : 0;
  // What each batch of a training has: inputs, reference, and that of the next block.
  const int64_t sources = ahead ? 3 : 2;
  const int64_t weights = sizes.shape.TotalWeights();
  const int64_t block_as_read = sizes.HostBytes(weights);
  const int64_t rows = sizes.shape.TotalRows();
  const int64_t groups = options.granularity == Granularity::kRow ? rows : kLinears;
  // float64: logits, their gradient and the optimiser's state.
  const int64_t allocation =
      groups * kCandidateRates * 8 * (2 + kProdigyStates) + rows * kCandidateRates * kAccumulatorBytes;

  // What BlockWorkspace keeps from block to block: a recorded step keeps what it works in, and its inputs.
  std::vector<MemoryPlan::Part> kept = {{"weights", sizes.Weights()}};
  if (ahead) kept.push_back({"next block's weights", sizes.Weights()});
  const MemoryPlan::Part pruned_weights = {"pruned weights", sizes.Weights()};
  if (besa) {
    kept.push_back(pruned_weights);
    kept.push_back({"gradient", sizes.LargestGroup() * sizes.element()});
    kept.push_back({"order of importance", 2 * weights});
    kept.push_back({"allocation", allocation});
    if (compute.cuda) {
      kept.push_back({"training step", training_step + sources * batch_tokens * sizes.H() * sizes.element()});
    }
  }
  // float32 states of every weight, and its gradient.
  const int64_t recovery_tokens =
      options.recovery.given() ? std::min(samples, options.recovery.batch_size) * length : 0;
  const int64_t recovery_batch = std::max<int64_t>(1, options.recovery.batch_size);
  const int64_t recovery_step = recovery_tokens * step_of(recovery_batch, recovery_batch);
  if (options.recovery.given()) {
    if (!besa) kept.push_back(pruned_weights);
    kept.push_back({"recovery", (kRecoveryStates * kAccumulatorBytes + sizes.element()) * weights});
    if (options.pattern.given() && options.recovery.masks == RecoveryMasks::kGrowing) {
      // A linear's importance, and six orders of what is sorted at once.
      kept.push_back({"ranking anew", kAccumulatorBytes * sizes.LargestLinear() +
                                          6 * 8 * std::min(sizes.LargestLinear(), SortedAtOnce(compute.cuda))});
    }
    if (compute.cuda) {
      kept.push_back({"recovery step", recovery_step + sources * recovery_tokens * sizes.H() * sizes.element()});
    }
  }
  // `moving`: tokens of activations that are on their way to or from the device.
  const auto moment = [&](std::vector<MemoryPlan::Part> parts, int64_t moving = 0) {
    parts.insert(parts.end(), kept.begin(), kept.end());
    parts.push_back({"block as read", block_as_read});
    // A worker reads the next block and, where that need not wait for it, writes the last one meanwhile.
    parts.push_back({ahead ? "blocks read ahead" : "block read ahead", (ahead ? 2 : 1) * block_as_read});
    const bool sequential = options.schedule == Schedule::kSequential;
    parts.push_back({sequential ? "committed block as read" : "block being written", block_as_read});
    if (streaming) parts.push_back({"batches in transit", moving * sizes.H() * sizes.element()});
    return MemoryPlan{.parts = std::move(parts)};
  };
  // A batch of the walk comes, and what one has become goes back.
  const int64_t walk_moving = 3 * walk_tokens;

  // A batch's output waits for its check while the next one's is computed.
  const int64_t waiting = walk_tokens * sizes.H() * sizes.element();
  std::vector<MemoryPlan> moments = {// Of the last stream to be started.
                                     moment({{"activations", streams - stream},
                                             {"embeddings", sizes.Embedding()},
                                             {"embeddings as read", sizes.HostBytes(config.vocab_size * sizes.H())}}),
                                     moment({{"activations", streams},
                                             {"embeddings", sizes.Embedding()},
                                             {"embedded windows", walk_tokens * sizes.H() * sizes.element()}}),
                                     moment({{"activations", streams},
                                             {"tensor as read", sizes.HostBytes(sizes.LargestLinear())},
                                             {"forward pass", walk_tokens * sizes.Forward() + waiting}},
                                            walk_moving)};
  // From the moment on that the dense stream becomes the reference.
  std::vector<MemoryPlan::Part> streams_and = {{"activations", stream}, {"reference", stream}};
  if (KeepsDenseInputs(options)) streams_and.push_back({"dense inputs", stream});
  std::vector<MemoryPlan::Part> statistics_parts = streams_and;
  statistics_parts.push_back({"forward pass", walk_tokens * sizes.ForwardKept() + waiting});
  MemoryPlan statistics = moment(std::move(statistics_parts), walk_moving);
  if (options.method == Method::kSparseGpt) {
    statistics.parts.push_back({"Hessians", Hessians(sizes) + AddingToHessians(sizes, walk_tokens)});
  }
  moments.push_back(statistics);
  if (ahead) streams_and.push_back({"next block's reference", stream});
  // Two batches of each.
  const int64_t pass_moving = 2 * sources * std::max({walk_tokens, batch_tokens, recovery_tokens});
  const int64_t final_pass = walk_tokens * (sizes.Forward() + 3 * sizes.H() * kAccumulatorBytes);
  if (besa) {
    const int64_t step = compute.cuda ? 0 : std::max(training_step, recovery_step);
    streams_and.push_back({"training step and final loss", std::max(step, final_pass)});
    moments.push_back(moment(streams_and, pass_moving));
  } else {
    std::vector<MemoryPlan::Part> solve = streams_and;
    for (MemoryPlan::Part& part : Solving(sizes, options.method)) solve.push_back(std::move(part));
    moments.push_back(moment(solve));
    // Recovery takes solved weights over.
    const bool recovery = options.recovery.given();
    const int64_t solved = options.method == Method::kSparseGpt && !recovery ? kSolvedBytes : 2;
    if (!recovery) streams_and.push_back(pruned_weights);
    streams_and.push_back({"order of importance", solved * weights});
    streams_and.push_back({recovery ? "recovery step and final loss" : "final loss",
                           std::max(compute.cuda ? 0 : recovery_step, final_pass)});
    moments.push_back(moment(streams_and, pass_moving));
  }
  MemoryPlan plan = Largest(moments);
  AddMask(sizes, plan);
  AddOverhead(compute, plan);
  if (!compute.cuda && compute.compute == ComputeType::kBFloat16) {
    plan.parts.push_back({"converted operands", kConvertedOperands});
  }
  return plan;
}

int64_t HostActivations(const storage::ModelConfig& config, int64_t all_samples, int64_t length,
                        const BesaOptions& options, const ComputePlan& compute) {
  const Sizes sizes(config, length, compute);
  // LibTorch takes pinned memory in powers of two.
  const auto stream = static_cast<uint64_t>(ShareOf(all_samples, compute) * length * sizes.H() * sizes.element());
  const int64_t streams = 2 + (KeepsDenseInputs(options) ? 1 : 0) + (LooksAhead(options) ? 1 : 0);
  return streams * static_cast<int64_t>(std::bit_ceil(stream));
}

MemoryPlan PlanEvaluation(const storage::ModelConfig& config, int64_t windows, int64_t length,
                          const ComputePlan& compute) {
  return PlanModels(1, config, windows, length, compute);
}

MemoryPlan PlanComparison(const storage::ModelConfig& config, int64_t windows, int64_t length,
                          const ComputePlan& compute) {
  return PlanModels(2, config, windows, length, compute);
}

MemoryPlan PlanSurvey(const storage::ModelConfig& config, int64_t windows, int64_t length, const ComputePlan& compute) {
  const Sizes sizes(config, length, compute);
  const int64_t streams = 1 + SurveyedGroups(config.num_hidden_layers);
  const int64_t walk_tokens = std::min(windows, WalkBatch(length, compute.cuda)) * length;
  // Dense and pruned, and the order of importance.
  const std::vector<MemoryPlan::Part> kept = {{"activations", streams * windows * length * sizes.H() * sizes.element()},
                                              {"weights", 2 * sizes.Weights() + 2 * sizes.shape.TotalWeights()}};
  MemoryPlan walk = {.parts = kept};
  walk.parts.push_back(
      {"tensor on its way", sizes.LargestLinear() * sizes.element() + sizes.HostBytes(sizes.LargestLinear())});
  walk.parts.push_back({"forward pass", walk_tokens * sizes.ForwardKept()});
  MemoryPlan load_head = {.parts = kept};
  load_head.parts.push_back({"head", sizes.Embedding()});
  load_head.parts.push_back({"head as read", sizes.HostBytes(config.vocab_size * sizes.H())});
  // The dense model's distribution and its logarithm; the other's logarithm, its logits in float32 and, where that is
  // another, in the model's type.
  const int64_t logit_bytes = 4 * kAccumulatorBytes + (sizes.element() == kAccumulatorBytes ? 0 : sizes.element());
  MemoryPlan head = {.parts = kept};
  head.parts.push_back({"head", sizes.Embedding()});
  head.parts.push_back({"logits", std::min(windows, LogitWindows(config.vocab_size, length)) * length *
                                      config.vocab_size * logit_bytes});
  MemoryPlan plan = Largest({walk, load_head, head});
  AddMask(sizes, plan);
  AddOverhead(compute, plan);
  return plan;
}

}  // namespace besa::cost
