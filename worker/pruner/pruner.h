// The pruner: what besa does to a model, as a library that knows nothing of jobs or services.
//
// An Engine owns one device. It walks the dense model block by block, prunes each block with BESA (Xu et al., ICLR
// 2024, "BESA: Pruning Large Language Models with Blockwise Parameter-Efficient Sparsity Allocation") or one of its
// baselines, and measures perplexity. No header of this folder that others include mentions LibTorch.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "cost/memory_plan.h"
#include "cost/pruning_options.h"
#include "storage/base/clock.h"
#include "storage/checkpoint/checkpoint.h"

namespace besa::pruner {

// How to prune a block: see cost/pruning_options.h.
using cost::BesaOptions;
using cost::ComputeType;
using cost::Granularity;
using cost::Method;
using cost::Pattern;
using cost::Placement;
using cost::Preset;
using cost::RecoveryMasks;
using cost::RecoveryOptions;
using cost::Reference;
using cost::ResolveOptions;
using cost::Schedule;

// Token ids, row-major [windows, length], int32.
struct TokenWindows {
  int64_t windows = 0;
  int64_t length = 0;
  std::vector<int32_t> ids;
  // For evaluations: tokens from the start of a window to that of the next, 1 to length; 0 means length. If it is less,
  // windows overlap, and of every window but the first only the last `stride` tokens are predicted: those before were
  // predicted in the window before and are context now.
  int64_t stride = 0;
};

// Tokens of the windows that an evaluation predicts: all but the first of a window, or its last `stride`.
int64_t PredictedTokens(const TokenWindows& text);

struct Progress {
  // "fetch", "load", "walk", "statistics", "lookahead", "train" (BESA), "solve" (SparseGPT), "recover", "write",
  // "evaluate" or "survey".
  absl::string_view stage;
  int64_t step = 0;
  int64_t steps = 0;
  // In "train" and "recover".
  double loss = 0.0;
  double sparsity = 0.0;
};

struct StageSeconds {
  std::string stage;
  double seconds = 0.0;
};

// Called from the thread that runs the operation, between steps. Returning false stops it with CANCELLED.
using Observer = std::function<bool(const Progress&)>;

// An engine's place in a group of engines that prune every block together: each holds a share of the calibration
// windows, and what a block's windows come to is added up over all of them. All engines of a group are on this machine
// and are asked to prune the same blocks by the same requests, in the same order, from processes or threads of their
// own; each gets the whole result. Whatever else they are asked for they do alone.
struct RankOptions {
  int rank = 0;
  int size = 1;
  // A file, on a local disk, in which they meet: of one name for all, and not there before.
  std::string store;
};

struct EngineOptions {
  // "cpu" or "cuda:N". Nothing is ever fallen back to: a device that is not there is FAILED_PRECONDITION.
  std::string device = "cpu";
  // CPU threads; 0 means all.
  int threads = 0;
  // Bytes of memory to use at most; 0 means what the device has. More is refused before it is taken.
  int64_t memory_limit = 0;
  // Unset: the engine works alone. Else Create waits for the others, for minutes.
  std::optional<RankOptions> ranks;
  // Where calibration activations are kept. Unset: on the device if they fit there, else in host memory. The results
  // are the same, bit for bit.
  std::optional<Placement> activations;
  // Times the stages. Must outlive the engine.
  const Clock* clock = &Clock::Real();
};

struct DeviceInfo {
  std::string id;
  std::string model;
  int64_t memory_bytes = 0;
  int threads = 0;
};

// The dense model's activations in front of a block, as sweeps stored them.
struct StoredActivations {
  struct Part {
    int64_t first_window = 0;
    int64_t windows = 0;
    // [windows, length, hidden], float32 or bfloat16.
    std::function<absl::StatusOr<storage::HostTensor>()> read;
  };
  int64_t block = 0;
  // In the order of their windows, together all of them.
  std::vector<Part> parts;
};

// A walk of some of the calibration windows through the dense model.
struct SweepRequest {
  // As PruneRequest's. All must outlive the call.
  const storage::ModelConfig* config = nullptr;
  const storage::TensorSource* dense = nullptr;
  // The share of the windows; its first one begins a batch of the walk of all.
  const TokenWindows* windows = nullptr;
  // Blocks, ascending.
  std::vector<int64_t> boundaries;
  // Takes what the windows are in front of a boundary, [windows, length, hidden], in the order of the boundaries.
  std::function<absl::Status(int64_t block, storage::HostTensor activations)> store;
  std::optional<ComputeType> compute;
};

// A block that is likely to be pruned soon: it is read while this one is computed, so that the device need not wait.
struct NextBlock {
  int64_t block = 0;
  // Names of all its tensors.
  std::vector<std::string> tensors;
  // Kept until they are read, or until the engine is asked for other blocks.
  std::shared_ptr<const storage::TensorSource> source;
};

struct PruneRequest {
  // The checkpoint that `dense` reads and its shape. Must outlive the call.
  const storage::ModelConfig* config = nullptr;
  const storage::TensorSource* dense = nullptr;
  // In the sequential schedule: `dense` with the blocks before this one as they were committed, and for each of them
  // what identifies its content (a hash): activations kept from an earlier call are used again only if they went
  // through the very same. Both unset in the independent schedule.
  const storage::TensorSource* pruned = nullptr;
  std::vector<std::string> committed;
  // Names of all tensors of the block.
  std::vector<std::string> block_tensors;
  // Identifies model and tokens: activations kept from an earlier call are used again only under the same key.
  std::string stream_key;
  const TokenWindows* calibration = nullptr;
  // Taken if it lies nearer before the block than what is held; the result is the same.
  std::optional<StoredActivations> stored;
  int64_t block = 0;
  // Those behind it, in the order in which they are likely to be wanted.
  std::vector<NextBlock> next;
  BesaOptions options;
  // Unset: float32 on a CPU, bfloat16 on a GPU.
  std::optional<ComputeType> compute;
};

// A look at what each block is worth to the model.
struct SurveyRequest {
  // As PruneRequest's. All must outlive the call.
  const storage::ModelConfig* config = nullptr;
  const storage::TensorSource* dense = nullptr;
  // All of them are used: see cost/batches.h, SurveyedWindows.
  const TokenWindows* windows = nullptr;
  // Of the block that is pruned.
  double sparsity = 0.5;
  std::optional<ComputeType> compute;
};

struct BlockSurvey {
  // Of each block: mean over the predicted tokens of KL(dense || model with that block alone pruned), nats.
  std::vector<double> divergence;
  std::vector<StageSeconds> stages;
};

struct LinearAllocation {
  // "self_attn.q_proj".
  std::string name;
  int64_t rows = 0;
  int64_t cols = 0;
  // Share of each row to remove, [rows]: learned, or the baseline's.
  std::vector<float> rate;
  // Weights removed from each row, [rows].
  std::vector<int32_t> pruned;
  // Elements of the pruned weight that are exactly zero (those removed, and those that were zero before).
  int64_t zeros = 0;
};

struct BlockPruning {
  // Every tensor of the block, in the order asked for, in the checkpoint's dtype; the linears with zeros in place. What
  // is kept is the checkpoint's, bit for bit, but for SparseGPT and recovery, which update it.
  std::vector<storage::HostTensor> tensors;
  // In the order q k v o gate up down.
  std::vector<LinearAllocation> linears;
  // Of each step of BESA.
  std::vector<float> loss;
  std::vector<float> sparsity;
  // Of each step of recovery.
  std::vector<float> recovery_loss;
  // Of both.
  int skipped_steps = 0;
  // What the user should know although the block is pruned.
  std::vector<std::string> warnings;
  // Reconstruction loss of the final masks over all calibration samples.
  double final_loss = 0.0;
  std::vector<StageSeconds> stages;
  // Of the dense tensors' bytes, in the order asked for.
  std::string input_sha256;
};

// How a group of engines had better prune as many blocks as it has members, one right behind the other.
struct GroupChoice {
  // Each of them a block of its own (PruneOwnBlock), or all of them every block together (Prune).
  bool own_blocks = false;
  // What the blocks take by the cost model (cost/sharded_sweep.h), either way.
  double together_seconds = 0.0;
  double own_blocks_seconds = 0.0;
  // For people.
  std::string why;
};

struct PerplexityResult {
  double perplexity = 0.0;
  int64_t tokens = 0;
  std::vector<StageSeconds> stages;
};

struct ComparisonResult {
  double dense_perplexity = 0.0;
  double pruned_perplexity = 0.0;
  // Mean over the predicted tokens of KL(dense || pruned) = sum over the vocabulary of p (ln p - ln q), where p and q
  // are the models' distributions of that token: nats, never negative.
  double kl_divergence = 0.0;
  int64_t tokens = 0;
  std::vector<StageSeconds> stages;
};

// Not thread-safe: one operation at a time. Errors of every operation:
//   INVALID_ARGUMENT    the input is wrong (names file, tensor, field)
//   OUT_OF_RANGE        NaN or infinity, naming block and linear or tensor: see BadNumbers in errors.h
//   RESOURCE_EXHAUSTED  the block does not fit, with the sizes: refused before work starts
//   UNAVAILABLE         a store could not be read
//   CANCELLED           the observer said so
//   INTERNAL            LibTorch or CUDA threw, or the ranks of a group came to different masks
//
// An engine of a group that fails, or whose observer stops it, leaves the others waiting for it: they have to be ended,
// and a new group made.
class Engine {
 public:
  static absl::StatusOr<std::unique_ptr<Engine>> Create(const EngineOptions& options);
  virtual ~Engine() = default;

  virtual const DeviceInfo& device() const = 0;

  // What results may depend on, bit for bit: device model, instruction set, threads, LibTorch version, compute type,
  // number of ranks.
  virtual std::string NumericsClass(std::optional<ComputeType> compute) const = 0;

  // Bytes of memory that pruning any block of the model, evaluating it, and comparing it with its pruned self will
  // take an engine that works alone; the first, at the least: where the engine may choose, a GPU with more of it keeps
  // calibration activations too.
  virtual int64_t BlockMemory(const storage::ModelConfig& config, int64_t samples, int64_t length,
                              const BesaOptions& options, std::optional<ComputeType> compute) const = 0;
  virtual int64_t EvaluationMemory(const storage::ModelConfig& config, int64_t length,
                                   std::optional<ComputeType> compute) const = 0;

  virtual int64_t ComparisonMemory(const storage::ModelConfig& config, int64_t length,
                                   std::optional<ComputeType> compute) const = 0;

  // The most bytes of device memory that were held at once so far; 0 on a CPU, which does not tell.
  virtual int64_t PeakMemory() const = 0;

  // FLOP/s of a large matrix product of random numbers, what the device can do at best: on a GPU in bfloat16 for a
  // second, on a CPU the fastest in float32 of a quarter of one. RESOURCE_EXHAUSTED or INTERNAL if it cannot be run.
  virtual absl::StatusOr<double> MatrixProductRate() = 0;

  // Seconds that adding up `count` numbers in float32 over the engine's ranks takes: the mean of many times in a row.
  // All ranks must ask for it. Alone: 0.
  virtual absl::StatusOr<double> AllReduceSeconds(int64_t count) = 0;

  // Walks the activations to the block (from where they stand, or from the embeddings) and prunes it. In the sequential
  // schedule the next block goes on from what was committed, by `pruned`, and never from what the engine remembers.
  virtual absl::StatusOr<BlockPruning> Prune(const PruneRequest& request, const Observer& observer) = 0;

  // In a group, in the independent schedule: each engine prunes a block of its own on all windows, rank r the block
  // request.block - rank + r. They walk through these blocks together, each with its share of the windows, and then
  // have nothing to do with each other any more. Gives this engine's block: what an engine alone comes to, but for
  // rounding in the sums of statistics. `stored` lies before the first of the blocks, `next` is the one that this
  // engine is likely to prune next. Where the options leave the batch to the preset it is that of an engine alone.
  virtual absl::StatusOr<BlockPruning> PruneOwnBlock(const PruneRequest& request, const Observer& observer) = 0;

  // Which of the two is faster for the blocks from request.block - rank on, by the shapes, the devices and how fast the
  // ranks exchange, which is measured once; in which PruneOwnBlock fits all of them. All ranks must ask for it, each
  // with its own block, and get the same.
  virtual absl::StatusOr<GroupChoice> ChooseForGroup(const PruneRequest& request) = 0;

  // Walks a share of the windows from the embeddings to the last boundary. What is held stays as it is, unless its
  // memory is needed.
  virtual absl::StatusOr<std::vector<StageSeconds>> Sweep(const SweepRequest& request, const Observer& observer) = 0;

  // How far the model's predictions move when one block alone is pruned: by Wanda, every row alike, and without
  // recovery. Neighbours of a deep model are pruned together and get the same. What is held stays, unless its memory is
  // needed.
  virtual absl::StatusOr<BlockSurvey> SurveyBlocks(const SurveyRequest& request, const Observer& observer) = 0;

  // The block whose input activations are held, under which key; empty key: none. In the sequential schedule: where the
  // pruned activations stand.
  virtual std::pair<std::string, int64_t> Cursor() const = 0;

  // exp(mean negative log-likelihood of the predicted tokens).
  virtual absl::StatusOr<PerplexityResult> Perplexity(const storage::ModelConfig& config,
                                                      const storage::TensorSource& source, const TokenWindows& text,
                                                      std::optional<ComputeType> compute, const Observer& observer) = 0;

  // Both models on the same text in the same batches. They share what lies outside the blocks, which is read from
  // `dense`. Either perplexity is, bit for bit, the one that Perplexity would give.
  virtual absl::StatusOr<ComparisonResult> Compare(const storage::ModelConfig& config,
                                                   const storage::TensorSource& dense,
                                                   const storage::TensorSource& pruned, const TokenWindows& text,
                                                   std::optional<ComputeType> compute, const Observer& observer) = 0;

  // Logits [windows, length, vocab] in float32, row-major: for comparison with other implementations.
  virtual absl::StatusOr<std::vector<float>> Logits(const storage::ModelConfig& config,
                                                    const storage::TensorSource& source, const TokenWindows& text) = 0;
};

}  // namespace besa::pruner
