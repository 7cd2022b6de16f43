// How many bytes of device memory an operation takes at its peak, as a sum of named parts: what is refused early
// instead of failing late. memory_plan_test.cc holds it against real peaks.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "worker/pruner/pruner.h"

namespace besa::pruner {

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

// How an operation is computed, as far as memory goes.
struct ComputePlan {
  bool cuda = false;
  ComputeType compute = ComputeType::kFloat32;
};

// The largest of the moments of Engine::Prune: walking, taking statistics, training. `options` resolved.
MemoryPlan PlanPruning(const storage::ModelConfig& config, int64_t samples, int64_t length, const BesaOptions& options,
                       const ComputePlan& compute);

// The same for Engine::Perplexity on that many windows.
MemoryPlan PlanEvaluation(const storage::ModelConfig& config, int64_t windows, int64_t length,
                          const ComputePlan& compute);

// The same for Engine::Compare: two models' activations, and the logarithms of both distributions.
MemoryPlan PlanComparison(const storage::ModelConfig& config, int64_t windows, int64_t length,
                          const ComputePlan& compute);

// Windows whose activations are held at once in an evaluation: about 2^18 tokens' worth, at least one.
int64_t EvaluationGroup(int64_t length);

// Windows whose logits are computed at once: about 64 MiB's worth, at least one.
int64_t LogitWindows(int64_t vocab_size, int64_t length);

}  // namespace besa::pruner
