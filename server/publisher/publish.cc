#include "server/publisher/publish.h"

#include <algorithm>
#include <map>
#include <set>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "proto/time.h"
#include "report/report.h"
#include "server/publisher/companions.h"
#include "server/publisher/manifest.h"
#include "server/publisher/publish_plan.h"
#include "server/publisher/run_record.h"
#include "server/publisher/weight_index.h"
#include "storage/base/error_info.h"
#include "storage/base/sha256.h"
#include "storage/base/status_macros.h"
#include "storage/checkpoint/checkpoint.h"
#include "storage/safetensors/safetensors.h"

namespace besa::server {
namespace {

constexpr int64_t kRunRecordLimit = int64_t{256} << 20;
constexpr size_t kCopiesAtOnce = 4;

absl::Status NotOurs(const storage::Uri& output, absl::string_view what) {
  return ErrorWithInfo(
      absl::StatusCode::kFailedPrecondition,
      absl::StrCat("output_uri: ", output.ToString(), " holds ", std::string(what),
                   "; expected nothing but what this job writes. Move it away and retry the job"),
      {.reason = "OUTPUT_NOT_EMPTY", .metadata = {{"field", "output_uri"}, {"value", output.ToString()}}});
}

// Writes the run record into an empty folder, or recognises it from an earlier try.
absl::Status TakeFolder(storage::ObjectStore& store, const storage::Uri& output, const PublishingClaim& claim,
                        const std::set<std::string>& expected) {
  const storage::Uri record = output.Join(kRunRecordName);
  ASSIGN_OR_RETURN(const std::vector<storage::ObjectInfo> present, store.List(output));
  const size_t prefix = output.ToString().size() + 1;
  bool marked = false;
  for (const storage::ObjectInfo& file : present) {
    const std::string path = file.uri.ToString().substr(prefix);
    if (!expected.contains(path)) return NotOurs(output, absl::StrCat("the foreign file ", path));
    marked = marked || file.uri == record;
  }
  if (marked) {
    ASSIGN_OR_RETURN(const std::string text, ReadAll(store, record, kRunRecordLimit));
    const auto owner = RunRecordJob(text);
    if (owner == claim.job_name) return absl::OkStatus();
    return NotOurs(output, absl::StrCat("the output of ", owner.value_or("another program")));
  }
  if (!present.empty()) {
    return NotOurs(output, absl::StrCat("the foreign file ", present.front().uri.ToString().substr(prefix)));
  }
  return WriteAll(store, record, FormatRunRecord(claim.job, claim.tasks));
}

absl::Status CopyShard(storage::ObjectStore& store, const ShardCopy& shard, const storage::Uri& output) {
  const storage::Uri to = output.Join(shard.name);
  // What was committed is never changed; nor is what is published.
  RETURN_IF_ERROR(store.Share(shard.from, to));
  ASSIGN_OR_RETURN(const storage::ObjectInfo copied, store.Stat(to));
  if (copied.size == shard.size) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(to.ToString(), " has ", copied.size, " bytes, but ", shard.size,
                                          " were committed as ", shard.from.ToString()));
}

// A few at a time: a store has more to give than one copy asks for.
absl::Status CopyShards(storage::ObjectStore& store, const std::vector<ShardCopy>& shards, const storage::Uri& output,
                        const MayGoOn& may_go_on) {
  for (size_t first = 0; first < shards.size(); first += kCopiesAtOnce) {
    RETURN_IF_ERROR(may_go_on());
    const auto some = std::span(shards).subspan(first, std::min(kCopiesAtOnce, shards.size() - first));
    std::vector<absl::Status> copied(some.size());
    {
      std::vector<std::jthread> copies;
      for (size_t i = 0; i < some.size(); ++i) {
        copies.emplace_back([&, i] { copied[i] = CopyShard(store, some[i], output); });
      }
    }
    for (const absl::Status& status : copied) RETURN_IF_ERROR(status);
  }
  return absl::OkStatus();
}

absl::StatusOr<PublishedFile> WriteIndex(storage::ObjectStore& store, const std::vector<ShardCopy>& shards,
                                         const storage::Uri& output) {
  std::map<std::string, storage::SafetensorsHeader> headers;
  for (const ShardCopy& shard : shards) {
    ASSIGN_OR_RETURN(headers[shard.name], storage::ReadSafetensorsHeader(store, output.Join(shard.name)));
  }
  ASSIGN_OR_RETURN(const std::string index, FormatWeightIndex(headers));
  RETURN_IF_ERROR(WriteAll(store, output.Join(kIndexName), index));
  return PublishedFile{.path = kIndexName, .size = static_cast<int64_t>(index.size()), .sha256 = Sha256Hex(index)};
}

// Who reads it has the output: to them the job has succeeded. It ends with its last commit.
std::string FinalReport(const PublishingClaim& claim, absl::string_view besa_version) {
  absl::Time end = FromProto(claim.job.create_time());
  for (const v1::Task& task : claim.tasks) {
    for (const v1::Attempt& attempt : task.attempts()) end = std::max(end, FromProto(attempt.end_time()));
  }
  v1::Job job = claim.job;
  job.set_state(v1::JOB_STATE_SUCCEEDED);
  *job.mutable_end_time() = ToProto(end);
  return FormatReport(job, claim.tasks, besa_version, end);
}

const v1::PrepareResult& Prepared(const std::vector<v1::Task>& tasks) {
  const auto found = std::find_if(tasks.begin(), tasks.end(),
                                  [](const v1::Task& task) { return task.kind() == v1::TASK_KIND_PREPARE; });
  return found == tasks.end() ? v1::PrepareResult::default_instance() : found->result().prepare();
}

}  // namespace

absl::Status Publish(storage::ObjectStore& store, const PublishingClaim& claim, absl::string_view besa_version,
                     const MayGoOn& may_go_on) {
  const v1::JobSpec& spec = claim.job.spec();
  ASSIGN_OR_RETURN(const storage::Uri model, storage::Uri::Parse(spec.model_uri(), "model_uri"));
  ASSIGN_OR_RETURN(const storage::Uri output, storage::Uri::Parse(spec.output_uri(), "output_uri"));
  ASSIGN_OR_RETURN(const std::vector<ShardCopy> shards, PlanShards(claim.tasks));
  ASSIGN_OR_RETURN(const storage::Checkpoint checkpoint, storage::Checkpoint::Open(store, model));
  const std::vector<Companion> companions = PublishedCompanions(checkpoint);

  std::set<std::string> expected = {kRunRecordName, kReportName, kIndexName, kManifestName};
  for (const ShardCopy& shard : shards) expected.insert(shard.name);
  for (const Companion& companion : companions) expected.insert(companion.path);

  RETURN_IF_ERROR(may_go_on());
  RETURN_IF_ERROR(TakeFolder(store, output, claim, expected));

  std::vector<PublishedFile> files;
  RETURN_IF_ERROR(CopyShards(store, shards, output, may_go_on));
  for (const ShardCopy& shard : shards) {
    files.push_back({.path = shard.name, .size = shard.size, .sha256 = shard.sha256});
  }
  for (const Companion& companion : companions) {
    RETURN_IF_ERROR(may_go_on());
    ASSIGN_OR_RETURN(files.emplace_back(), CopyCompanion(store, companion, output, Prepared(claim.tasks).inputs()));
  }
  RETURN_IF_ERROR(may_go_on());
  ASSIGN_OR_RETURN(files.emplace_back(), WriteIndex(store, shards, output));

  ASSIGN_OR_RETURN(const std::string manifest,
                   FormatManifest(spec, claim.job.model(), claim.tasks, files, besa_version));
  // What killed publishers left half-written. Whoever still writes here lost the claim.
  RETURN_IF_ERROR(store.DeletePartialWrites(output, absl::InfiniteFuture()));
  RETURN_IF_ERROR(may_go_on());
  RETURN_IF_ERROR(WriteAll(store, output.Join(kReportName), FinalReport(claim, besa_version)));
  RETURN_IF_ERROR(may_go_on());
  return WriteAll(store, output.Join(kManifestName), manifest);
}

}  // namespace besa::server
