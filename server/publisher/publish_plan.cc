#include "server/publisher/publish_plan.h"

#include <algorithm>
#include <tuple>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "storage/base/status_macros.h"
#include "storage/checkpoint/index_file.h"

namespace besa::server {
namespace {

bool HasWeights(const v1::Task& task) {
  return task.kind() == v1::TASK_KIND_PRUNE || task.kind() == v1::TASK_KIND_PASSTHROUGH;
}

// Files of a task that hold weights; the others (allocation.safetensors) stay behind.
std::vector<v1::File> WeightFiles(const v1::Task& task) {
  const char* prefix = task.kind() == v1::TASK_KIND_PRUNE ? "shard-" : "rest-";
  std::vector<v1::File> files;
  for (const v1::File& file : task.result().files()) {
    if (absl::StartsWith(file.path(), prefix)) files.push_back(file);
  }
  std::sort(files.begin(), files.end(), [](const v1::File& a, const v1::File& b) { return a.path() < b.path(); });
  return files;
}

}  // namespace

absl::StatusOr<std::vector<ShardCopy>> PlanShards(const std::vector<v1::Task>& tasks) {
  std::vector<const v1::Task*> ordered;
  for (const v1::Task& task : tasks) {
    if (HasWeights(task)) ordered.push_back(&task);
  }
  std::sort(ordered.begin(), ordered.end(), [](const v1::Task* a, const v1::Task* b) {
    const auto key = [](const v1::Task* task) {
      return std::make_tuple(task->kind() == v1::TASK_KIND_PRUNE, task->block());
    };
    return key(a) < key(b);
  });

  std::vector<ShardCopy> shards;
  for (const v1::Task* task : ordered) {
    const std::vector<v1::File> files = WeightFiles(*task);
    if (files.empty()) return absl::InternalError(absl::StrCat(task->name(), " is committed without files of weights"));
    ASSIGN_OR_RETURN(const storage::Uri folder, storage::Uri::Parse(task->result().attempt_uri(), "attempt_uri"));
    for (const v1::File& file : files) {
      ASSIGN_OR_RETURN(const storage::Uri from, folder.JoinUntrusted(file.path(), "result.files.path"));
      shards.push_back({.from = from, .size = file.size(), .sha256 = file.sha256()});
    }
  }
  for (size_t i = 0; i < shards.size(); ++i) {
    shards[i].name = storage::ShardFileName(static_cast<int64_t>(i) + 1, static_cast<int64_t>(shards.size()));
  }
  return shards;
}

}  // namespace besa::server
