// A job is created.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "besa/v1/job.pb.h"

#include "server/scheduler/context.h"

namespace besa::server {

// A validated request to create a job.
struct NewJob {
  // With every default filled in.
  v1::JobSpec spec;
  // Read from the checkpoint; `blocks` decides the plan.
  v1::ModelSummary model;
  // As asked for; unset: OnCreated chooses.
  v1::Activations activations = v1::ACTIVATIONS_UNSPECIFIED;
  // The caller's, may be empty.
  std::string request_id;
  // Hash of the request as it came. Compared when request_id is seen again.
  std::string request_hash;
  // output_uri in the form in which two spellings of one folder are equal. Unique among jobs that have not ended.
  std::string output_key;
  int32_t priority = 0;
  std::string owner;
  std::map<std::string, std::string> labels;
  // Zero: no limit.
  absl::Duration time_limit;
  // Where the end of the job is to be told; empty: nowhere.
  std::string completion_hook;
  // See Job.trace_id.
  std::string trace_id;
  // Bytes of device memory that preparing takes; 0: any worker can.
  int64_t prepare_memory_bytes = 0;
};

// When the job's time_limit, if it has one, runs out that begins now.
void SetDeadline(v1::Job& job, absl::Time now);

// The rows of the job at version 1, and the event that says so.
CreateJobRow OnCreated(std::string job_id, const NewJob& request, const Context& context);

}  // namespace besa::server
