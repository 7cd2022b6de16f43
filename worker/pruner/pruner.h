// The pruner: what besa does to a model, as a library that knows nothing of jobs or services.
//
// An Engine owns one device. It walks the dense model block by block, learns each block's sparsity allocation with
// BESA (Xu et al., ICLR 2024, "BESA: Pruning Large Language Models with Blockwise Parameter-Efficient Sparsity
// Allocation") and measures perplexity. No header of this folder that others include mentions LibTorch.
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
#include "storage/base/clock.h"
#include "storage/checkpoint/checkpoint.h"

namespace besa::pruner {

enum class Preset { kDefault, kPaper };
enum class Granularity { kRow, kLayer };
enum class ComputeType { kFloat32, kBFloat16 };

// How to prune a block. Zeros mean: the preset's value (see ResolveOptions).
struct BesaOptions {
  double sparsity = 0.5;
  Preset preset = Preset::kDefault;
  Granularity granularity = Granularity::kRow;
  int64_t batch_size = 0;
  int64_t epochs = 0;
  double d_coef = 0.0;
  double prior_sigma = 0.0;
};

// Fills in every zero: d_coef by granularity and model size as published, batch size and epochs by preset and number
// of samples.
BesaOptions ResolveOptions(const BesaOptions& options, const storage::ModelConfig& config, int64_t samples);

// Token ids, row-major [windows, length], int32.
struct TokenWindows {
  int64_t windows = 0;
  int64_t length = 0;
  std::vector<int32_t> ids;
};

struct Progress {
  // "load", "walk", "statistics", "train", "write" or "evaluate".
  absl::string_view stage;
  int64_t step = 0;
  int64_t steps = 0;
  // While training.
  double loss = 0.0;
  double sparsity = 0.0;
};

// Called from the thread that runs the operation, between steps. Returning false stops it with CANCELLED.
using Observer = std::function<bool(const Progress&)>;

struct EngineOptions {
  // "cpu" or "cuda:N". Nothing is ever fallen back to: a device that is not there is FAILED_PRECONDITION.
  std::string device = "cpu";
  // CPU threads; 0 means all.
  int threads = 0;
  // Bytes of memory to use at most; 0 means what the device has. More is refused before it is taken.
  int64_t memory_limit = 0;
  // Times the stages. Must outlive the engine.
  const Clock* clock = &Clock::Real();
};

struct DeviceInfo {
  std::string id;
  std::string model;
  int64_t memory_bytes = 0;
  int threads = 0;
};

struct PruneRequest {
  // The checkpoint that `dense` reads and its shape. Must outlive the call.
  const storage::ModelConfig* config = nullptr;
  const storage::TensorSource* dense = nullptr;
  // Names of all tensors of the block.
  std::vector<std::string> block_tensors;
  // Identifies model and tokens: activations kept from an earlier call are used again only under the same key.
  std::string stream_key;
  const TokenWindows* calibration = nullptr;
  int64_t block = 0;
  BesaOptions options;
  // Unset: float32 on a CPU, bfloat16 on a GPU.
  std::optional<ComputeType> compute;
};

struct LinearAllocation {
  // "self_attn.q_proj".
  std::string name;
  int64_t rows = 0;
  int64_t cols = 0;
  // Learned share of each row to remove, [rows].
  std::vector<float> rate;
  // Weights removed from each row, [rows].
  std::vector<int32_t> pruned;
  // Elements of the pruned weight that are exactly zero (those removed, and those that were zero before).
  int64_t zeros = 0;
};

struct StageSeconds {
  std::string stage;
  double seconds = 0.0;
};

struct BlockPruning {
  // Every tensor of the block, in the order asked for, in the checkpoint's dtype; the linears with zeros in place.
  std::vector<storage::HostTensor> tensors;
  // In the order q k v o gate up down.
  std::vector<LinearAllocation> linears;
  // Of each step.
  std::vector<float> loss;
  std::vector<float> sparsity;
  int skipped_steps = 0;
  // Reconstruction loss of the final masks over all calibration samples.
  double final_loss = 0.0;
  std::vector<StageSeconds> stages;
  // Of the dense tensors' bytes, in the order asked for.
  std::string input_sha256;
};

struct PerplexityResult {
  double perplexity = 0.0;
  int64_t tokens = 0;
  std::vector<StageSeconds> stages;
};

// Not thread-safe: one operation at a time. Errors of every operation:
//   INVALID_ARGUMENT    the input is wrong (names file, tensor, field)
//   OUT_OF_RANGE        NaN or infinity, naming block and linear or tensor: see BadNumbers in errors.h
//   RESOURCE_EXHAUSTED  the block does not fit, with the sizes: refused before work starts
//   UNAVAILABLE         a store could not be read
//   CANCELLED           the observer said so
//   INTERNAL            LibTorch or CUDA threw
class Engine {
 public:
  static absl::StatusOr<std::unique_ptr<Engine>> Create(const EngineOptions& options);
  virtual ~Engine() = default;

  virtual const DeviceInfo& device() const = 0;

  // What results may depend on, bit for bit: device model, instruction set, threads, LibTorch version, compute type.
  virtual std::string NumericsClass(std::optional<ComputeType> compute) const = 0;

  // Bytes of memory that pruning any block of the model, and evaluating it, will take.
  virtual int64_t BlockMemory(const storage::ModelConfig& config, int64_t samples, int64_t length,
                              const BesaOptions& options, std::optional<ComputeType> compute) const = 0;
  virtual int64_t EvaluationMemory(const storage::ModelConfig& config, int64_t length,
                                   std::optional<ComputeType> compute) const = 0;

  // Walks the dense activations to the block (from where they stand, or from the embeddings) and prunes it.
  virtual absl::StatusOr<BlockPruning> Prune(const PruneRequest& request, const Observer& observer) = 0;

  // The block whose input activations are held, under which key; empty key: none.
  virtual std::pair<std::string, int64_t> Cursor() const = 0;

  // exp(mean negative log-likelihood of tokens 1..length-1 of every window).
  virtual absl::StatusOr<PerplexityResult> Perplexity(const storage::ModelConfig& config,
                                                      const storage::TensorSource& source, const TokenWindows& text,
                                                      std::optional<ComputeType> compute, const Observer& observer) = 0;

  // Logits [windows, length, vocab] in float32, row-major: for comparison with other implementations.
  virtual absl::StatusOr<std::vector<float>> Logits(const storage::ModelConfig& config,
                                                    const storage::TensorSource& source, const TokenWindows& text) = 0;
};

}  // namespace besa::pruner
