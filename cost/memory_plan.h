// How many bytes of device memory an operation takes at its peak, as a sum of named parts: what is refused early
// instead of failing late. worker/pruner/memory_plan_test.cc holds it against real peaks.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cost/pruning_options.h"
#include "storage/checkpoint/model_config.h"

namespace besa::cost {

// What is held a weight or a parameter, which whoever holds it asserts: Prodigy's and recovery's states, and the
// candidate rates of a learned row.
inline constexpr int kProdigyStates = 3;
inline constexpr int kRecoveryStates = 3;
inline constexpr int kCandidateRates = 101;

struct MemoryPlan {
  struct Part {
    std::string name;
    int64_t bytes = 0;
  };
  std::vector<Part> parts;

  int64_t Total() const;
  // "activations 4.0 GiB, weights 3.2 GiB, ...", the largest first.
  std::string Describe() const;
};

// Where calibration activations are kept: on the device, or in host memory, from where they stream batch by batch.
enum class Placement { kDevice, kHost };

// How an operation is computed, as far as memory goes.
struct ComputePlan {
  bool cuda = false;
  ComputeType compute = ComputeType::kFloat32;
  // Ranks that prune a block together. Each holds a share of the samples and of every batch, and all of the weights;
  // what they add up is added up in place. Pruning alone is shared.
  int64_t ranks = 1;
  // Of pruning. On a CPU host memory is the device's memory.
  Placement activations = Placement::kDevice;
};

// The largest of the moments of pruning a block: walking, taking statistics, training. `options` resolved. Of the rank
// that takes most.
MemoryPlan PlanPruning(const storage::ModelConfig& config, int64_t samples, int64_t length, const BesaOptions& options,
                       const ComputePlan& compute);

// Bytes of host memory that the activations take beside a GPU's, if they are kept there.
int64_t HostActivations(const storage::ModelConfig& config, int64_t samples, int64_t length, const BesaOptions& options,
                        const ComputePlan& compute);

// The same for measuring perplexity on that many windows.
MemoryPlan PlanEvaluation(const storage::ModelConfig& config, int64_t windows, int64_t length,
                          const ComputePlan& compute);

// The same for comparing two models: two models' activations, and the logarithms of both distributions.
MemoryPlan PlanComparison(const storage::ModelConfig& config, int64_t windows, int64_t length,
                          const ComputePlan& compute);

// The same for a survey of the blocks (batches.h) with that many windows.
MemoryPlan PlanSurvey(const storage::ModelConfig& config, int64_t windows, int64_t length, const ComputePlan& compute);

}  // namespace besa::cost
