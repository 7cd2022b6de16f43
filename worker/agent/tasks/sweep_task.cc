#include "worker/agent/tasks/sweep_task.h"

#include <future>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cost/job_options.h"
#include "storage/base/error_info.h"
#include "storage/base/status_macros.h"
#include "storage/checkpoint/checkpoint.h"
#include "worker/agent/tasks/files.h"
#include "worker/agent/tasks/fingerprint.h"
#include "worker/agent/tasks/prefetch.h"
#include "worker/agent/tasks/progress.h"
#include "worker/agent/tasks/stages.h"
#include "worker/agent/tasks/stored_boundary.h"

namespace besa::worker {
namespace {

using storage::Checkpoint;
using storage::Uri;

// Writes one boundary while the next is being walked to.
class BoundaryWriter {
 public:
  BoundaryWriter(storage::ObjectStore& store, Uri folder) : store_(store), folder_(std::move(folder)) {}
  // A write under way refers to this.
  ~BoundaryWriter() {
    if (pending_.valid()) pending_.wait();
  }

  absl::Status Write(int64_t block, storage::HostTensor activations) {
    RETURN_IF_ERROR(Finish());
    pending_ = std::async(std::launch::async, [this, block, tensor = std::move(activations)]() mutable {
      std::vector<storage::HostTensor> tensors;
      tensors.push_back(std::move(tensor));
      return WriteFile(store_, folder_, BoundaryFile(block), tensors, written_);
    });
    return absl::OkStatus();
  }
  absl::Status Finish() { return pending_.valid() ? pending_.get() : absl::OkStatus(); }

  // Once Finish has been called.
  const v1::TaskResult& written() const { return written_; }

 private:
  storage::ObjectStore& store_;
  Uri folder_;
  v1::TaskResult written_;
  std::future<absl::Status> pending_;
};

absl::StatusOr<pruner::TokenWindows> ShareOf(const pruner::TokenWindows& all, const v1::SweepShare& share) {
  if (share.first_window() < 0 || share.windows() < 1 || share.first_window() + share.windows() > all.windows) {
    return FieldError("sweep",
                      absl::StrCat("windows ", share.first_window(), " to ", share.first_window() + share.windows()),
                      absl::StrCat("some of the ", all.windows, " calibration windows"));
  }
  const auto begin = all.ids.begin() + share.first_window() * all.length;
  return pruner::TokenWindows{
      .windows = share.windows(), .length = all.length, .ids = {begin, begin + share.windows() * all.length}};
}

}  // namespace

absl::StatusOr<v1::TaskResult> RunSweep(const v1::Assignment& assignment, const TaskEnvironment& environment,
                                        const TaskObserver& observer) {
  storage::ObjectStore& store = environment.store;
  const v1::JobSpec& spec = assignment.spec();
  ASSIGN_OR_RETURN(const Uri model, Uri::Parse(spec.model_uri(), "model_uri"));
  ASSIGN_OR_RETURN(const Uri folder, Uri::Parse(assignment.attempt_uri(), "attempt_uri"));
  ASSIGN_OR_RETURN(const Uri tokens, Uri::Parse(assignment.tokens_uri(), "tokens_uri"));
  RETURN_IF_ERROR(CheckUnchanged(store, model, assignment.inputs()));
  ASSIGN_OR_RETURN(const Checkpoint checkpoint, Checkpoint::Open(store, model));
  std::optional<ReadAheadSource> ahead;
  if (environment.prefetcher != nullptr) ahead.emplace(checkpoint, *environment.prefetcher);
  const storage::TensorSource* const dense = ahead ? static_cast<const storage::TensorSource*>(&*ahead) : &checkpoint;
  ASSIGN_OR_RETURN(const pruner::TokenWindows calibration, ReadTokens(store, tokens.Join(kCalibrationFile)));
  ASSIGN_OR_RETURN(const pruner::TokenWindows share, ShareOf(calibration, assignment.sweep()));

  BoundaryWriter writer(store, folder);
  const auto& boundaries = assignment.sweep().boundaries();
  const pruner::SweepRequest request{
      .config = &checkpoint.config(),
      .dense = dense,
      .windows = &share,
      .boundaries = {boundaries.begin(), boundaries.end()},
      .store = [&](int64_t block, storage::HostTensor x) { return writer.Write(block, std::move(x)); },
      .compute = cost::ComputeTypeOf(spec)};
  ASSIGN_OR_RETURN(const auto stages, environment.engine.Sweep(request, EngineObserver(observer)));
  const StageTimer timer(environment.clock, "write");
  RETURN_IF_ERROR(writer.Finish());
  v1::TaskResult result = writer.written();
  AddStages(stages, result);
  timer.Stop(result);
  *result.mutable_sweep()->mutable_share() = assignment.sweep();
  return result;
}

}  // namespace besa::worker
