// Short ways to write the messages of a job's life in tests.
#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/str_format.h"
#include "besa/v1/prune_service.pb.h"

namespace besa::client {

inline v1::Job MakeJob(v1::JobState state, int64_t version) {
  v1::Job job;
  job.set_name("jobs/j1");
  job.set_state(state);
  job.set_version(version);
  job.mutable_spec()->set_model_uri("/models/books");
  job.mutable_spec()->set_output_uri("/models/books-besa50");
  job.mutable_spec()->set_sparsity(0.5);
  job.mutable_progress()->set_blocks_total(6);
  return job;
}

inline v1::Task MakeBlockTask(int block, v1::TaskState state) {
  v1::Task task;
  task.set_name(absl::StrFormat("jobs/j1/tasks/prune-%05d", block));
  task.set_kind(v1::TASK_KIND_PRUNE);
  task.set_block(block);
  task.set_state(state);
  return task;
}

// Committed by the first attempt, which took 12.5 s: loss 0.04 to 0.02, half of 1000 weights zero.
inline v1::Task MakeCommittedBlock(int block) {
  v1::Task task = MakeBlockTask(block, v1::TASK_STATE_COMMITTED);
  v1::Attempt& attempt = *task.add_attempts();
  attempt.set_number(1);
  attempt.set_worker("workers/w1");
  attempt.set_outcome(v1::ATTEMPT_OUTCOME_COMMITTED);
  attempt.mutable_start_time()->set_seconds(1'700'000'000);
  attempt.mutable_end_time()->set_seconds(1'700'000'012);
  attempt.mutable_end_time()->set_nanos(500'000'000);
  task.mutable_result()->set_attempt(1);
  v1::BlockResult& result = *task.mutable_result()->mutable_block();
  result.set_block(block);
  result.set_zeros(500);
  result.set_weights(1000);
  for (const float loss : {0.04F, 0.03F, 0.02F}) result.add_loss(loss);
  return task;
}

inline v1::Task MakeProgress(int block, const std::string& stage, int64_t step, int64_t steps) {
  v1::Task task = MakeBlockTask(block, v1::TASK_STATE_LEASED);
  task.mutable_progress()->set_stage(stage);
  task.mutable_progress()->set_step(step);
  task.mutable_progress()->set_steps(steps);
  return task;
}

inline v1::WatchJobResponse SnapshotEvent(const v1::Job& job) {
  v1::WatchJobResponse message;
  message.set_version(job.version());
  *message.mutable_snapshot()->mutable_job() = job;
  return message;
}

inline v1::WatchJobResponse JobEvent(const v1::Job& job) {
  v1::WatchJobResponse message;
  message.set_version(job.version());
  *message.mutable_job() = job;
  return message;
}

inline v1::WatchJobResponse TaskEvent(int64_t version, const v1::Task& task) {
  v1::WatchJobResponse message;
  message.set_version(version);
  *message.mutable_task() = task;
  return message;
}

inline v1::WatchJobResponse ProgressEvent(int64_t version, const v1::Task& task) {
  v1::WatchJobResponse message;
  message.set_version(version);
  *message.mutable_progress() = task;
  return message;
}

}  // namespace besa::client
