#include "worker/agent/tasks/prune_task.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "cost/job_options.h"
#include "spdlog/spdlog.h"
#include "storage/base/status_macros.h"
#include "storage/checkpoint/checkpoint.h"
#include "storage/checkpoint/shard_plan.h"
#include "worker/agent/tasks/committed_blocks.h"
#include "worker/agent/tasks/files.h"
#include "worker/agent/tasks/fingerprint.h"
#include "worker/agent/tasks/prefetch.h"
#include "worker/agent/tasks/progress.h"
#include "worker/agent/tasks/stages.h"
#include "worker/agent/tasks/stored_boundary.h"

namespace besa::worker {
namespace {

using storage::Checkpoint;
using storage::DType;
using storage::HostTensor;
using storage::OverlaySource;
using storage::Uri;

// See LinearResult.rows_by_rate.
constexpr int64_t kRateBins = 100;

// "jobs/{job} <tokens_uri>": activations are those of this job's model and of these very token ids. A job's inputs
// never change (CheckUnchanged), its name has no space.
std::string StreamKey(const v1::Assignment& assignment) {
  const std::vector<std::string> name = absl::StrSplit(assignment.lease().task(), '/');
  return absl::StrCat("jobs/", name.size() > 1 ? name[1] : "", " ", assignment.tokens_uri());
}

template <typename T>
HostTensor Vector(std::string name, DType dtype, const std::vector<T>& values) {
  HostTensor tensor{.name = std::move(name), .dtype = dtype, .shape = {static_cast<int64_t>(values.size())}};
  tensor.bytes.resize(values.size() * sizeof(T));
  std::memcpy(tensor.bytes.data(), values.data(), tensor.bytes.size());
  return tensor;
}

absl::Status WriteShards(std::vector<HostTensor> tensors, int64_t shard_bytes, const Uri& folder,
                         storage::ObjectStore& store, const TaskObserver& observer, v1::TaskResult& result) {
  std::vector<storage::ShardItem> items;
  for (const HostTensor& tensor : tensors) {
    items.push_back({tensor.name, static_cast<int64_t>(tensor.bytes.size())});
  }
  const std::vector<std::vector<size_t>> files = storage::PlanShards(items, TensorBytesOf(shard_bytes));
  int number = 0;
  for (const std::vector<size_t>& file : files) {
    if (!observer(MakeProgress("upload", number, std::ssize(files))))
      return absl::CancelledError("stopped while writing");
    std::vector<HostTensor> shard;
    for (const size_t index : file) shard.push_back(std::move(tensors[index]));
    RETURN_IF_ERROR(WriteFile(store, folder, absl::StrFormat("shard-%05d.safetensors", number++), shard, result));
  }
  return absl::OkStatus();
}

absl::Status WriteAllocation(const pruner::BlockPruning& pruning, const std::string& prefix, const Uri& folder,
                             storage::ObjectStore& store, v1::TaskResult& result) {
  std::vector<HostTensor> tensors;
  for (const pruner::LinearAllocation& linear : pruning.linears) {
    tensors.push_back(Vector(absl::StrCat(prefix, linear.name, ".rate"), DType::kF32, linear.rate));
    tensors.push_back(Vector(absl::StrCat(prefix, linear.name, ".pruned"), DType::kI32, linear.pruned));
  }
  return WriteFile(store, folder, "allocation.safetensors", tensors, result);
}

// Rows by the hundredths of them that were removed.
void DescribeRows(const pruner::LinearAllocation& linear, v1::LinearResult& result) {
  std::array<int32_t, kRateBins> rows = {};
  for (const int32_t pruned : linear.pruned) {
    const int64_t bin = linear.cols == 0 ? 0 : int64_t{pruned} * kRateBins / linear.cols;
    ++rows[static_cast<size_t>(std::clamp<int64_t>(bin, 0, kRateBins - 1))];
  }
  *result.mutable_rows_by_rate() = {rows.begin(), rows.end()};
}

void Describe(const pruner::BlockPruning& pruning, int64_t block, const std::string& prefix, v1::BlockResult& result) {
  result.set_block(static_cast<int32_t>(block));
  int64_t zeros = 0;
  int64_t weights = 0;
  for (const pruner::LinearAllocation& linear : pruning.linears) {
    v1::LinearResult& described = *result.add_linears();
    described.set_name(absl::StrCat(prefix, linear.name));
    described.set_rows(linear.rows);
    described.set_cols(linear.cols);
    described.set_zeros(linear.zeros);
    DescribeRows(linear, described);
    zeros += linear.zeros;
    weights += linear.rows * linear.cols;
  }
  result.set_zeros(zeros);
  result.set_weights(weights);
  *result.mutable_loss() = {pruning.loss.begin(), pruning.loss.end()};
  *result.mutable_step_sparsity() = {pruning.sparsity.begin(), pruning.sparsity.end()};
  *result.mutable_recovery_loss() = {pruning.recovery_loss.begin(), pruning.recovery_loss.end()};
  result.set_skipped_steps(pruning.skipped_steps);
  result.set_final_loss(pruning.final_loss);
  result.set_input_sha256(pruning.input_sha256);
  for (const std::string& warning : pruning.warnings) {
    result.add_warnings(warning);
    spdlog::warn("block {}: {}", block, warning);
  }
}

absl::StatusOr<v1::TaskResult> WriteResult(pruner::BlockPruning pruning, const v1::Assignment& assignment,
                                           const TaskEnvironment& environment, const TaskObserver& observer) {
  storage::ObjectStore& store = environment.store;
  ASSIGN_OR_RETURN(const Uri folder, Uri::Parse(assignment.attempt_uri(), "attempt_uri"));
  v1::TaskResult result;
  AddStages(pruning.stages, result);
  const StageTimer timer(environment.clock, "upload");
  const std::string prefix = storage::BlockPrefix(assignment.block());
  RETURN_IF_ERROR(WriteAllocation(pruning, prefix, folder, store, result));
  Describe(pruning, assignment.block(), prefix, *result.mutable_block());
  RETURN_IF_ERROR(WriteShards(std::move(pruning.tensors), assignment.shard_bytes(), folder, store, observer, result));
  timer.Stop(result);
  const v1::BlockResult& block = result.block();
  spdlog::info("block {}: {} of {} weights are zero, loss {:.6g}, {} steps ({} skipped)", block.block(), block.zeros(),
               block.weights(), block.final_loss(), block.loss_size() + block.recovery_loss_size(),
               block.skipped_steps());
  return result;
}

// The checkpoint, read ahead of if the worker has a cache.
struct DenseModel {
  explicit DenseModel(Checkpoint opened) : checkpoint(std::move(opened)) {}

  const Checkpoint checkpoint;
  std::optional<ReadAheadSource> ahead;

  static absl::StatusOr<std::shared_ptr<const DenseModel>> Open(const TaskEnvironment& environment, const Uri& model) {
    ASSIGN_OR_RETURN(Checkpoint checkpoint, Checkpoint::Open(environment.store, model));
    auto opened = std::make_shared<DenseModel>(std::move(checkpoint));
    if (environment.prefetcher != nullptr) opened->ahead.emplace(opened->checkpoint, *environment.prefetcher);
    return std::shared_ptr<const DenseModel>(std::move(opened));
  }

  const storage::TensorSource& source() const {
    return ahead ? static_cast<const storage::TensorSource&>(*ahead) : checkpoint;
  }
};

// What pruning a block starts from. Holds all that `request` points to.
struct PruneInputs {
  std::shared_ptr<const DenseModel> model;
  pruner::TokenWindows calibration;
  std::optional<OverlaySource> pruned;
  pruner::PruneRequest request;

  static absl::StatusOr<std::unique_ptr<PruneInputs>> Open(const v1::Assignment& assignment,
                                                           const TaskEnvironment& environment);

  // The block so far behind this one is read while this one is pruned: who prunes a block mostly goes on there. Where
  // losses look ahead it is wanted at once, so that the one behind it had better be read now.
  void GoOnBehind(int64_t blocks) {
    const int64_t last = request.block + blocks + (cost::LooksAhead(request.options) ? 1 : 0);
    for (int64_t next = request.block + blocks; next <= last; ++next) {
      if (next >= model->checkpoint.config().num_hidden_layers) return;
      request.next.push_back(
          {.block = next, .tensors = model->checkpoint.BlockTensors(next), .source = {model, &model->source()}});
    }
  }
};

absl::StatusOr<std::unique_ptr<PruneInputs>> PruneInputs::Open(const v1::Assignment& assignment,
                                                               const TaskEnvironment& environment) {
  storage::ObjectStore& store = environment.store;
  const v1::JobSpec& spec = assignment.spec();
  ASSIGN_OR_RETURN(const Uri model, Uri::Parse(spec.model_uri(), "model_uri"));
  ASSIGN_OR_RETURN(const Uri tokens, Uri::Parse(assignment.tokens_uri(), "tokens_uri"));
  RETURN_IF_ERROR(CheckUnchanged(store, model, assignment.inputs()));
  auto inputs = std::make_unique<PruneInputs>();
  ASSIGN_OR_RETURN(inputs->model, DenseModel::Open(environment, model));
  const Checkpoint& checkpoint = inputs->model->checkpoint;
  ASSIGN_OR_RETURN(inputs->calibration, ReadTokens(store, tokens.Join(kCalibrationFile)));

  pruner::PruneRequest& request = inputs->request;
  request.config = &checkpoint.config();
  request.dense = &inputs->model->source();
  request.block_tensors = checkpoint.BlockTensors(assignment.block());
  request.stream_key = StreamKey(assignment);
  request.calibration = &inputs->calibration;
  request.block = assignment.block();
  request.options = cost::BesaOptionsOf(spec);
  if (assignment.sparsity() > 0.0) request.options.sparsity = assignment.sparsity();
  if (request.options.schedule == pruner::Schedule::kSequential) {
    ASSIGN_OR_RETURN(inputs->pruned, OpenCommitted(store, checkpoint, assignment, assignment.block()));
    request.pruned = &*inputs->pruned;
    request.committed = CommittedIdentities(assignment);
  }
  request.compute = cost::ComputeTypeOf(spec);
  request.stored = StoredBefore(store, assignment);
  return inputs;
}

TaskEnding Writing(pruner::BlockPruning pruning, const v1::Assignment& assignment, const TaskEnvironment& environment) {
  return [pruning = std::move(pruning), &assignment, environment](const TaskObserver& beside) mutable {
    return WriteResult(std::move(pruning), assignment, environment, beside);
  };
}

}  // namespace

absl::StatusOr<TaskEnding> ComputePrune(const v1::Assignment& assignment, const TaskEnvironment& environment,
                                        const TaskObserver& observer) {
  ASSIGN_OR_RETURN(const std::unique_ptr<PruneInputs> inputs, PruneInputs::Open(assignment, environment));
  inputs->GoOnBehind(1);
  ASSIGN_OR_RETURN(pruner::BlockPruning pruning, environment.engine.Prune(inputs->request, EngineObserver(observer)));
  if (!environment.writes) return Finished({});
  return Writing(std::move(pruning), assignment, environment);
}

absl::StatusOr<std::optional<TaskEnding>> ComputeOwnBlock(const std::vector<v1::Assignment>& assignments, size_t rank,
                                                          const TaskEnvironment& environment,
                                                          const TaskObserver& observer) {
  const v1::Assignment& own = assignments.at(rank);
  ASSIGN_OR_RETURN(const std::unique_ptr<PruneInputs> inputs, PruneInputs::Open(own, environment));
  pruner::PruneRequest& request = inputs->request;
  // What all ranks walk on from.
  request.stored = StoredBefore(environment.store, assignments.front());
  inputs->GoOnBehind(std::ssize(assignments));
  ASSIGN_OR_RETURN(const pruner::GroupChoice choice, environment.engine.ChooseForGroup(request));
  spdlog::info("blocks {} to {}: {}, since {}", assignments.front().block(), assignments.back().block(),
               choice.own_blocks ? "a block for each rank" : "all ranks together", choice.why);
  if (!choice.own_blocks) return std::nullopt;
  ASSIGN_OR_RETURN(pruner::BlockPruning pruning, environment.engine.PruneOwnBlock(request, EngineObserver(observer)));
  return Writing(std::move(pruning), own, environment);
}

std::optional<v1::Cursor> CursorOf(const pruner::Engine& engine) {
  const auto [key, block] = engine.Cursor();
  if (key.empty()) return std::nullopt;
  v1::Cursor cursor;
  cursor.set_job(key.substr(0, key.find(' ')));
  cursor.set_block(static_cast<int32_t>(block));
  return cursor;
}

}  // namespace besa::worker
