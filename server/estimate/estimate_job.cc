#include "server/estimate/estimate_job.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "cost/block_shape.h"
#include "server/estimate/device_choice.h"
#include "server/estimate/estimate.h"
#include "server/estimate/measured_profile.h"
#include "server/scheduler/all_workers.h"
#include "server/scheduler/stored_boundaries.h"
#include "server/validation/create_job.h"
#include "storage/base/error_info.h"
#include "storage/base/format_bytes.h"
#include "storage/base/status_macros.h"

namespace besa::server {
namespace {

// Of the newest jobs that succeeded, so many are looked at, and of those the tasks of the nearest in size.
constexpr int kJobsLookedAt = 100;
constexpr size_t kJobsRead = 8;
// What a token takes of a text, about, and what compressing it saves.
constexpr int64_t kBytesOfAToken = 4;
constexpr int64_t kCompression = 3;

absl::StatusOr<std::vector<EarlierJob>> EarlierJobs(Coordinator& coordinator, const cost::BlockShape& shape) {
  v1::ListJobsRequest request;
  request.set_page_size(kJobsLookedAt);
  request.set_filter("state = SUCCEEDED");
  ASSIGN_OR_RETURN(const v1::ListJobsResponse page, coordinator.ListJobs(request));
  std::vector<v1::Job> near(page.jobs().begin(), page.jobs().end());
  std::ranges::stable_sort(near, {}, [&](const v1::Job& job) { return DistanceOf(job.model(), shape); });
  if (near.size() > kJobsRead) near.resize(kJobsRead);
  std::vector<EarlierJob> jobs;
  for (v1::Job& job : near) {
    v1::ListTasksRequest tasks;
    tasks.set_parent(job.name());
    tasks.set_page_size(1000);
    const auto listed = coordinator.ListTasks(tasks);
    // Deleted meanwhile.
    if (listed.status().code() == absl::StatusCode::kNotFound) continue;
    if (!listed.ok()) return listed.status();
    jobs.push_back({.job = std::move(job), .tasks = {listed->tasks().begin(), listed->tasks().end()}});
  }
  return jobs;
}

absl::Status DeviceUnknown(const std::string& kind, absl::string_view why) {
  return ErrorWithInfo(absl::StatusCode::kFailedPrecondition,
                       absl::StrCat("device_kind: ", why,
                                    "; name \"h200\", \"h100\" or \"cpu\", or run a small job on the device first"),
                       {.reason = "DEVICE_UNKNOWN", .metadata = {{"field", "device_kind"}, {"value", kind}}});
}

// What was measured on the first of the classes that has something, or else what is known of the kind.
absl::StatusOr<cost::DeviceProfile> ProfileOf(const DeviceChoice& choice, const std::vector<EarlierJob>& jobs,
                                              const cost::BlockShape& shape, v1::Schedule schedule,
                                              double bytes_per_second) {
  if (choice.classes.empty() && choice.kind.empty()) return DeviceUnknown("", "no worker is connected");
  for (const DeviceClass& device : choice.classes) {
    if (auto measured = MeasuredProfile(jobs, device, shape, schedule, bytes_per_second)) return *std::move(measured);
  }
  if (auto known = cost::KnownDevice(choice.kind, shape.TotalWeights())) {
    if (choice.memory_bytes > 0) {
      known->basis.push_back(absl::StrCat("no block has been pruned on ", choice.classes[0].model, " yet"));
    }
    return *std::move(known);
  }
  return DeviceUnknown(choice.kind, absl::StrCat("nothing is known of ", choice.kind));
}

// Bytes of files; those that several texts share count once for each.
absl::StatusOr<int64_t> SizeOf(storage::ObjectStore& store,
                               const google::protobuf::RepeatedPtrField<std::string>& uris) {
  int64_t bytes = 0;
  for (const std::string& text : uris) {
    ASSIGN_OR_RETURN(const storage::Uri uri, storage::Uri::Parse(text));
    ASSIGN_OR_RETURN(const storage::ObjectInfo object, store.Stat(uri));
    bytes += object.size;
  }
  return bytes;
}

// Windows of a text that names none, by the size of its files.
int64_t GuessWindows(const v1::EvaluationSpec& text, int64_t bytes) {
  const std::string& file = text.uris(0);
  const bool plain =
      absl::EndsWith(file, ".txt") || absl::EndsWith(file, ".jsonl") || absl::EndsWith(file, ".safetensors");
  const int64_t tokens = bytes * (plain ? 1 : kCompression) / kBytesOfAToken;
  const int64_t stride = std::max(1, text.stride());
  return std::max<int64_t>(1, (tokens - text.sequence_length()) / stride + 1);
}

absl::Status ReadTexts(storage::ObjectStore& store, EstimateInput& input) {
  ASSIGN_OR_RETURN(input.text_bytes, SizeOf(store, input.spec.calibration().uris()));
  for (const v1::EvaluationSpec& text : input.spec.evaluations()) {
    ASSIGN_OR_RETURN(const int64_t bytes, SizeOf(store, text.uris()));
    input.text_bytes += bytes;
    const int64_t windows = text.windows() > 0 ? text.windows() : GuessWindows(text, bytes);
    if (text.windows() == 0) {
      input.basis.push_back(absl::StrCat("evaluation ", text.name(), ": about ", windows,
                                         " windows, guessed from the size of its files"));
    }
    input.evaluation_windows.push_back(windows);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<v1::EstimateJobResponse> EstimateJob(const v1::EstimateJobRequest& request, Coordinator& coordinator,
                                                    storage::ObjectStore& store, const storage::Uri& workspace,
                                                    const Endpoints& hooks) {
  if (request.workers() < 0) {
    return FieldError("workers", absl::StrCat(request.workers()),
                      "a number above 0, or 0 for those that are connected");
  }
  v1::CreateJobRequest create;
  *create.mutable_job() = request.job();
  ASSIGN_OR_RETURN(ValidatedJob validated, ValidateCreateJob(create, store, workspace, hooks));

  EstimateInput input;
  input.spec = std::move(validated.spec);
  input.model = std::move(validated.model);
  input.config = validated.checkpoint.config();
  input.bytes = BytesOf(validated.checkpoint);
  input.bytes_per_second = coordinator.options().worker_bytes_per_second;
  ASSIGN_OR_RETURN(const storage::Uri output, storage::Uri::Parse(input.spec.output_uri(), "output_uri"));
  input.shares_output = output.scheme() == "file" && workspace.scheme() == "file";
  RETURN_IF_ERROR(ReadTexts(store, input));

  ASSIGN_OR_RETURN(const std::vector<v1::Worker> workers, AllWorkers(coordinator));
  const DeviceChoice choice = ChooseDevice(workers, request.device_kind(), input.spec.method().compute_type());
  const cost::BlockShape shape = cost::BlockShape::Of(input.config, 0);
  ASSIGN_OR_RETURN(const std::vector<EarlierJob> jobs, EarlierJobs(coordinator, shape));
  ASSIGN_OR_RETURN(input.device,
                   ProfileOf(choice, jobs, shape, input.spec.method().schedule(), input.bytes_per_second));
  input.basis.insert(input.basis.end(), choice.basis.begin(), choice.basis.end());
  input.workers = request.workers() > 0 ? request.workers() : std::max(1, choice.connected);
  input.activations =
      ResolveActivations(input.spec, request.job().activations(), input.model, input.workers, input.bytes_per_second);

  v1::EstimateJobResponse response = Estimate(input);
  if (choice.memory_bytes > 0 && response.block_memory_bytes() > choice.memory_bytes) {
    response.add_basis(absl::StrCat("no connected worker could take a block: it needs ",
                                    FormatBytes(response.block_memory_bytes()), " of memory, the largest has ",
                                    FormatBytes(choice.memory_bytes)));
  }
  return response;
}

}  // namespace besa::server
