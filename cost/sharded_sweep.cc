#include "cost/sharded_sweep.h"

#include <algorithm>
#include <vector>

#include "cost/batches.h"
#include "cost/block_flops.h"
#include "cost/block_shape.h"

namespace besa::cost {
namespace {

constexpr double kFloatBytes = 4.0;

int64_t Share(int64_t whole, int64_t ranks) { return (whole + ranks - 1) / ranks; }

double ElementBytes(ComputeType compute) { return compute == ComputeType::kBFloat16 ? 2.0 : 4.0; }

double At(double amount, double rate) { return rate > 0.0 ? amount / rate : 0.0; }

// Steps of one kind, of the training or of recovery.
struct Steps {
  int64_t epochs = 0;
  int64_t batch = 1;
  // Of all samples, once.
  double flops = 0.0;
  double flops_per_second = 0.0;
  // Beside the samples.
  double step_seconds = 0.0;
  // That the ranks of a group add up.
  double sums_bytes = 0.0;
};

class Model {
 public:
  Model(const storage::ModelConfig& config, int64_t samples, int64_t length, ComputeType compute, int64_t ranks,
        const DeviceProfile& device, double exchange)
      : shape_(BlockShape::Of(config, 0)),
        samples_(samples),
        length_(length),
        element_(ElementBytes(compute)),
        ranks_(ranks),
        device_(device),
        exchange_(exchange) {}

  // One block by all ranks.
  double Together(const BesaOptions& options) const {
    const double passes = LooksAhead(options) && !ObservesAhead(options) ? 2 : 1;
    double seconds =
        passes * At(ForwardFlops(shape_, Share(samples_, ranks_), length_), device_.forward) + OfEveryRank(options);
    for (const Steps& steps : StepsOf(options)) seconds += SecondsOf(steps, ranks_);
    return seconds;
  }

  // A block for each rank.
  double Sharded(const BesaOptions& options) const {
    const auto ranks = static_cast<double>(ranks_);
    const double stream = static_cast<double>(samples_ * length_ * shape_.hidden) * element_;
    const double walk = ranks * At(ForwardFlops(shape_, Share(samples_, ranks_), length_), device_.forward);
    // What comes to a rank from the others at each of the boundaries, one boundary after the other.
    const double boundaries = (ranks + 1) * At(stream * (ranks - 1) / ranks, exchange_);
    // Of its own block, which each rank makes on all windows.
    const double reference =
        (LooksAhead(options) ? 1 : 0) * At(ForwardFlops(shape_, samples_, length_), device_.forward);
    double seconds = walk + boundaries + ranks * At(Weights(), exchange_) + reference + OfEveryRank(options);
    for (const Steps& steps : StepsOf(options)) seconds += SecondsOf(steps, 1);
    return seconds;
  }

 private:
  double Weights() const { return static_cast<double>(shape_.TotalWeights()) * element_; }

  // What is not shared: the weights to the device and back, SparseGPT's solving.
  double OfEveryRank(const BesaOptions& options) const {
    double seconds = 2 * At(Weights(), device_.copy_bytes_per_second);
    if (options.method == Method::kSparseGpt) seconds += At(SolvingFlops(shape_, samples_, length_), device_.solving);
    return seconds;
  }

  std::vector<Steps> StepsOf(const BesaOptions& options) const {
    // All blocks but the last do.
    const bool ahead = LooksAhead(options);
    const double loss = (ahead ? 4 : 2) * static_cast<double>(shape_.hidden) * kFloatBytes;
    std::vector<Steps> steps;
    if (options.method == Method::kBesa) {
      steps.push_back({.epochs = options.epochs,
                       .batch = options.batch_size,
                       .flops = AllocationPassFlops(shape_, samples_, length_, options, ahead),
                       .flops_per_second = device_.training,
                       .step_seconds = device_.training_step_seconds,
                       .sums_bytes = loss + static_cast<double>(shape_.TotalRows() * kCandidateRates) * kFloatBytes});
    }
    if (options.recovery.given()) {
      steps.push_back({.epochs = options.recovery.epochs,
                       .batch = options.recovery.batch_size,
                       .flops = RecoveryPassFlops(shape_, samples_, length_, ahead),
                       .flops_per_second = device_.recovery,
                       .step_seconds = device_.recovery_step_seconds,
                       .sums_bytes = loss + Weights()});
    }
    return steps;
  }

  double SecondsOf(const Steps& steps, int64_t ranks) const {
    const int64_t batch = std::clamp<int64_t>(steps.batch, 1, samples_);
    const auto count = static_cast<double>(steps.epochs * Share(samples_, batch));
    const double of_all = static_cast<double>(Share(batch, ranks)) / static_cast<double>(samples_);
    const double share = At(of_all * steps.flops, steps.flops_per_second);
    const auto group = static_cast<double>(ranks);
    const double adding = At(2 * (group - 1) / group * steps.sums_bytes, exchange_);
    return count * (share + steps.step_seconds + adding);
  }

  const BlockShape shape_;
  const int64_t samples_;
  const int64_t length_;
  const double element_;
  const int64_t ranks_;
  const DeviceProfile& device_;
  const double exchange_;
};

int64_t StreamBytes(const storage::ModelConfig& config, int64_t windows, int64_t length, const ComputePlan& compute) {
  return windows * length * config.hidden_size * static_cast<int64_t>(ElementBytes(compute.compute));
}

ComputePlan Alone(const ComputePlan& compute) {
  ComputePlan alone = compute;
  alone.ranks = 1;
  return alone;
}

}  // namespace

GroupSeconds SecondsOfBlocks(const storage::ModelConfig& config, int64_t samples, int64_t length,
                             const BesaOptions& options, ComputeType compute, int64_t ranks,
                             const DeviceProfile& device, double exchange) {
  const Model model(config, samples, length, compute, ranks, device, exchange);
  return {.together = static_cast<double>(ranks) * model.Together(ResolveOptions(options, config, samples, ranks)),
          .sharded = model.Sharded(ResolveOptions(options, config, samples))};
}

MemoryPlan PlanShardedPruning(const storage::ModelConfig& config, int64_t samples, int64_t length,
                              const BesaOptions& options, const ComputePlan& compute) {
  MemoryPlan plan = PlanPruning(config, samples, length, options, Alone(compute));
  const int64_t share = Share(samples, compute.ranks);
  const bool in_host_memory = compute.cuda && compute.activations == Placement::kHost;
  if (in_host_memory) {
    // What comes in and what goes out, a batch of all ranks each, and those before them that are still on their way.
    const int64_t batch = std::min(share, WalkBatch(length, compute.cuda)) * compute.ranks;
    plan.parts.push_back({"batches of all ranks", 4 * StreamBytes(config, batch, length, compute)});
  } else {
    plan.parts.push_back({"activations walked on", StreamBytes(config, share, length, compute)});
  }
  if (options.method == Method::kSparseGpt) {
    // Those of a rank's own block wait while other blocks' are added up.
    const BlockShape shape = BlockShape::Of(config, 0);
    int64_t bytes = 0;
    for (int group = 0; group < kGroups; ++group) {
      bytes += int64_t{8} * shape.GroupCols(Group(group)) * shape.GroupCols(Group(group));
    }
    plan.parts.push_back({"Hessians that wait", bytes});
  }
  return plan;
}

int64_t HostShardedActivations(const storage::ModelConfig& config, int64_t samples, int64_t length,
                               const BesaOptions& options, const ComputePlan& compute) {
  // Those of the share are taken as two.
  return HostActivations(config, samples, length, options, Alone(compute)) +
         HostActivations(config, samples, length, options, compute);
}

}  // namespace besa::cost
