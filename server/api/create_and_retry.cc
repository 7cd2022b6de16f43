#include "server/api/create_and_retry.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cost/batches.h"
#include "cost/memory_plan.h"
#include "proto/time.h"
#include "server/state/names.h"
#include "server/validation/create_job.h"
#include "server/validation/input_check.h"
#include "storage/base/random.h"
#include "storage/base/sha256.h"
#include "storage/base/status_macros.h"
#include "telemetry/trace.h"

namespace besa::server {
namespace {

// Of what was asked for: all of the request but its id.
std::string HashOf(v1::CreateJobRequest request) {
  request.clear_request_id();
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    request.SerializeToCodedStream(&coded);
  }
  return Sha256Hex(bytes);
}

// Of a CPU in float32, which takes the most: who cannot have that had better not prune the model's blocks either.
int64_t PrepareMemory(const v1::JobSpec& spec, const storage::ModelConfig& config) {
  if (spec.method().block_allocation() != v1::BLOCK_ALLOCATION_MEASURED) return 0;
  const int64_t length = spec.calibration().sequence_length();
  return cost::PlanSurvey(config, cost::SurveyedWindows(spec.calibration().samples(), length), length, {}).Total();
}

}  // namespace

absl::StatusOr<v1::Job> CreateJob(const ServiceContext& services, const v1::CreateJobRequest& request,
                                  const Coordinator::Caller& caller, const std::string& trace_id) {
  const std::string hash = HashOf(request);
  if (!request.validate_only()) {
    ASSIGN_OR_RETURN(std::optional<v1::Job> created, services.coordinator.FindCreated(request.request_id(), hash));
    if (created) return *std::move(created);
  }
  ASSIGN_OR_RETURN(ValidatedJob validated,
                   ValidateCreateJob(request, services.store, services.workspace, services.hooks));
  NewJob job{.spec = std::move(validated.spec),
             .model = std::move(validated.model),
             .activations = request.job().activations(),
             .request_id = request.request_id(),
             .request_hash = hash};
  job.prepare_memory_bytes = PrepareMemory(job.spec, validated.checkpoint.config());
  job.output_key = job.spec.output_uri();
  job.priority = request.job().priority();
  job.owner = request.job().owner();
  job.labels = {request.job().labels().begin(), request.job().labels().end()};
  if (request.job().has_time_limit()) job.time_limit = FromProto(request.job().time_limit());
  job.completion_hook = request.job().completion_hook().uri();
  job.trace_id = trace_id.empty() ? NewTraceId(SystemRandom()) : trace_id;
  if (request.validate_only()) return services.coordinator.PreviewJob(job);
  return services.coordinator.CreateJob(job, caller);
}

absl::StatusOr<v1::Job> RetryJob(const ServiceContext& services, const v1::RetryJobRequest& request,
                                 const Coordinator::Caller& caller) {
  ASSIGN_OR_RETURN(const v1::Job job, services.coordinator.GetJob(request.name()));
  // In any other state the scheduler refuses, and says so better than a changed input would.
  if (job.state() == v1::JOB_STATE_FAILED) {
    ASSIGN_OR_RETURN(const v1::Task prepare,
                     services.coordinator.GetTask(absl::StrCat(request.name(), "/tasks/prepare")));
    if (prepare.state() == v1::TASK_STATE_COMMITTED) {
      RETURN_IF_ERROR(CheckInputsUnchanged(services.store, prepare.result().prepare()));
    }
  }
  return services.coordinator.RetryJob(request.name(), request.ignore_gates(), caller);
}

}  // namespace besa::server
