#include "server/scheduler/stored_boundaries.h"

#include <algorithm>
#include <numeric>
#include <optional>

#include "absl/strings/str_format.h"

#include "cost/batches.h"
#include "cost/block_flops.h"
#include "cost/device_profile.h"
#include "server/scheduler/order_of_work.h"
#include "server/scheduler/plan.h"

namespace besa::server {
namespace {

// The fastest device known.
constexpr char kDevice[] = "h200";
// A block with training, in forward passes: Pace's default.
constexpr double kForwardsOfABlock = 1 / Pace{}.forward;
// Storing has to gain this much.
constexpr double kWorthIt = 0.95;
// More would even out differences between workers, but each share reads all weights.
constexpr int32_t kSharesOfAWorker = 1;
constexpr int32_t kBoundariesOfAWorker = 2;

bool IsSweep(const TaskRow& row) { return row.task.kind() == v1::TASK_KIND_SWEEP; }

// Of windows, so that every share is whole batches on every device.
int32_t Grain(const v1::CalibrationSpec& calibration) {
  int32_t grain = 1;
  for (const bool cuda : {true, false}) {
    grain = std::lcm(grain, static_cast<int32_t>(cost::WalkBatch(std::max(1, calibration.sequence_length()), cuda)));
  }
  return grain;
}

}  // namespace

SweepCosts EstimateSweepCosts(const v1::ModelSummary& model, const v1::CalibrationSpec& calibration,
                              double bytes_per_second) {
  const double tokens = static_cast<double>(calibration.samples()) * calibration.sequence_length();
  const int64_t weights = model.prunable_parameters() / std::max(1, model.blocks());
  SweepCosts costs;
  costs.forward =
      cost::ForwardFlops(weights, model.hidden_size(), calibration.samples(), calibration.sequence_length()) /
      cost::KnownDevice(kDevice, weights)->walk;
  costs.block = costs.forward * kForwardsOfABlock;
  costs.boundary_bytes = tokens * model.hidden_size() * 2;
  costs.weight_bytes = static_cast<double>(model.bytes()) / std::max(1, model.blocks());
  costs.bytes_per_second = bytes_per_second;
  return costs;
}

v1::Activations ChooseActivations(int32_t blocks, const SweepCosts& costs, int32_t workers) {
  // One or two walk less than a sweep and what it stores would cost them.
  if (workers < 3 || blocks < workers) return v1::ACTIVATIONS_WALKED;
  const Pace pace{.block = costs.block, .forward = costs.forward};
  WorkState state{.free = std::vector<bool>(static_cast<size_t>(blocks), true),
                  .running = {},
                  .boundaries = {},
                  .load = costs.boundary_bytes / costs.bytes_per_second,
                  .others = workers - 1,
                  .others_pace = pace};
  const double weights = costs.weight_bytes / costs.bytes_per_second;
  state.others_pace.forward = std::max(costs.forward, weights);
  const double walked = TimeToFinish(state, Asker{.cursor = std::nullopt, .pace = state.others_pace});
  state.boundaries = PlanBoundaries(blocks, workers);
  const double stored_bytes = costs.boundary_bytes * static_cast<double>(state.boundaries.size());
  const double sweep =
      std::max(blocks * std::max(costs.forward / workers, weights), stored_bytes / workers / costs.bytes_per_second);
  const double stored = sweep + TimeToFinish(state, Asker{.cursor = std::nullopt, .pace = state.others_pace});
  return stored < kWorthIt * walked ? v1::ACTIVATIONS_STORED : v1::ACTIVATIONS_WALKED;
}

v1::Activations ResolveActivations(const v1::JobSpec& spec, v1::Activations asked, const v1::ModelSummary& model,
                                   int32_t workers, double bytes_per_second) {
  if (IsSequential(spec)) return v1::ACTIVATIONS_WALKED;
  if (asked != v1::ACTIVATIONS_UNSPECIFIED) return asked;
  return ChooseActivations(model.blocks(), EstimateSweepCosts(model, spec.calibration(), bytes_per_second), workers);
}

std::vector<int32_t> PlanBoundaries(int32_t blocks, int32_t workers) {
  const int32_t stretches = std::min(blocks, kBoundariesOfAWorker * std::max(1, workers));
  std::vector<int32_t> boundaries;
  for (int32_t i = 1; i < stretches; ++i) boundaries.push_back(i * blocks / stretches);
  return boundaries;
}

std::vector<v1::SweepShare> PlanShares(const v1::CalibrationSpec& calibration, int32_t workers,
                                       const std::vector<int32_t>& boundaries) {
  const int32_t grain = Grain(calibration);
  const int32_t grains = std::max(1, (calibration.samples() + grain - 1) / grain);
  const int32_t shares = std::min(grains, kSharesOfAWorker * std::max(1, workers));
  std::vector<v1::SweepShare> plan;
  for (int32_t i = 0; i < shares; ++i) {
    const auto window = [&](int32_t share) {
      return std::min(calibration.samples(), static_cast<int32_t>(int64_t{share} * grains / shares) * grain);
    };
    v1::SweepShare& share = plan.emplace_back();
    share.set_first_window(window(i));
    share.set_windows(window(i + 1) - window(i));
    *share.mutable_boundaries() = {boundaries.begin(), boundaries.end()};
  }
  return plan;
}

bool StoresActivations(const JobRows& rows) { return std::ranges::any_of(rows.tasks, IsSweep); }

std::vector<int32_t> CommittedBoundaries(const JobRows& rows) {
  const TaskRow* any = nullptr;
  for (const TaskRow& row : rows.tasks) {
    if (!IsSweep(row)) continue;
    if (row.task.state() != v1::TASK_STATE_COMMITTED) return {};
    any = &row;
  }
  if (any == nullptr) return {};
  const auto& boundaries = any->task.sweep().boundaries();
  return {boundaries.begin(), boundaries.end()};
}

v1::StoredBoundary BoundaryBefore(const JobRows& rows, int32_t block) {
  v1::StoredBoundary boundary;
  const std::vector<int32_t> all = CommittedBoundaries(rows);
  const auto behind = std::upper_bound(all.begin(), all.end(), block);
  if (behind == all.begin()) return boundary;
  boundary.set_block(*std::prev(behind));
  const std::string name = absl::StrFormat("boundary-%05d.safetensors", boundary.block());
  for (const TaskRow& row : rows.tasks) {
    if (!IsSweep(row)) continue;
    const v1::TaskResult& result = row.task.result();
    v1::BoundaryPart& part = *boundary.add_parts();
    part.set_first_window(row.task.sweep().first_window());
    part.set_windows(row.task.sweep().windows());
    part.set_attempt_uri(result.attempt_uri());
    for (const v1::File& file : result.files()) {
      if (file.path() == name) *part.mutable_file() = file;
    }
  }
  return boundary;
}

}  // namespace besa::server
