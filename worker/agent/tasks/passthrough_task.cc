#include "worker/agent/tasks/passthrough_task.h"

#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "storage/base/status_macros.h"
#include "storage/checkpoint/checkpoint.h"
#include "storage/checkpoint/shard_plan.h"
#include "worker/agent/tasks/files.h"
#include "worker/agent/tasks/fingerprint.h"
#include "worker/agent/tasks/stages.h"

namespace besa::worker {

using storage::Checkpoint;
using storage::Uri;

absl::StatusOr<v1::TaskResult> RunPassthrough(const v1::Assignment& assignment, const TaskEnvironment& environment,
                                              const TaskObserver& observer) {
  storage::ObjectStore& store = environment.store;
  ASSIGN_OR_RETURN(const Uri model, Uri::Parse(assignment.spec().model_uri(), "model_uri"));
  ASSIGN_OR_RETURN(const Uri folder, Uri::Parse(assignment.attempt_uri(), "attempt_uri"));
  RETURN_IF_ERROR(CheckUnchanged(store, model, assignment.inputs()));
  ASSIGN_OR_RETURN(const Checkpoint checkpoint, Checkpoint::Open(store, model));

  v1::TaskResult result;
  const StageTimer timer(environment.clock, "write");
  const std::vector<std::string> names = checkpoint.OtherTensors();
  std::vector<storage::ShardItem> items;
  for (const std::string& name : names) {
    ASSIGN_OR_RETURN(const auto location, checkpoint.Find(name));
    items.push_back({name, location.entry.size});
    result.mutable_passthrough()->add_tensors(name);
  }
  int number = 0;
  for (const std::vector<size_t>& file : storage::PlanShards(items, TensorBytesOf(assignment.shard_bytes()))) {
    std::vector<std::string> shard;
    for (const size_t index : file) shard.push_back(names[index]);
    RETURN_IF_ERROR(CopyTensors(store, checkpoint, shard, folder, absl::StrFormat("rest-%05d.safetensors", number++),
                                observer, result));
  }
  timer.Stop(result);
  return result;
}

}  // namespace besa::worker
