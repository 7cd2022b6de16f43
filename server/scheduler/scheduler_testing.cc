#include "server/scheduler/scheduler_testing.h"

#include <gtest/gtest.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

#include "server/scheduler/attempts.h"
#include "server/scheduler/commit.h"
#include "server/scheduler/control.h"
#include "server/scheduler/failure.h"
#include "server/scheduler/heartbeat.h"
#include "server/scheduler/leasing.h"
#include "server/state/names.h"

namespace besa::server::testing {

NewJob TestRequest(int blocks, bool evaluation, v1::Schedule schedule) {
  NewJob request;
  request.spec.set_model_uri("/models/m");
  request.spec.set_output_uri("/out/m");
  request.spec.set_sparsity(0.5);
  request.spec.mutable_calibration()->add_uris("/data/c.txt");
  if (evaluation) {
    v1::EvaluationSpec& text = *request.spec.add_evaluations();
    text.set_name("e");
    text.add_uris("/data/e.txt");
  }
  request.spec.mutable_method()->set_schedule(schedule);
  request.model.set_architecture("LlamaForCausalLM");
  request.model.set_blocks(blocks);
  request.output_key = "/out/m";
  return request;
}

v1::TaskResult TestResult(const v1::Assignment& assignment, int variant) {
  v1::TaskResult result;
  result.set_numerics("cpu/test");
  v1::StageSeconds& stage = *result.add_stages();
  stage.set_stage("train");
  stage.set_seconds(2);
  const auto add_file = [&](absl::string_view path) {
    v1::File& file = *result.add_files();
    file.set_path(std::string(path));
    file.set_size(100 + variant);
    file.set_sha256(std::string(63, 'a') + static_cast<char>('0' + variant));
  };
  switch (assignment.kind()) {
    case v1::TASK_KIND_PREPARE: {
      add_file("calibration.safetensors");
      v1::PrepareResult& prepare = *result.mutable_prepare();
      prepare.set_block_memory_bytes(kBlockMemory);
      prepare.set_evaluation_memory_bytes(kEvaluationMemory);
      prepare.set_comparison_memory_bytes(kComparisonMemory);
      prepare.add_inputs()->set_uri("/models/m/config.json");
      break;
    }
    case v1::TASK_KIND_PRUNE: {
      add_file("shard-00001.safetensors");
      v1::BlockResult& block = *result.mutable_block();
      block.set_block(assignment.block());
      block.set_zeros(500 + assignment.block());
      block.set_weights(1000);
      break;
    }
    case v1::TASK_KIND_SWEEP:
      for (const int32_t boundary : assignment.sweep().boundaries()) {
        add_file(absl::StrFormat("boundary-%05d.safetensors", boundary));
      }
      *result.mutable_sweep()->mutable_share() = assignment.sweep();
      break;
    case v1::TASK_KIND_PASSTHROUGH:
      add_file("rest-00001.safetensors");
      result.mutable_passthrough()->add_tensors("model.norm.weight");
      break;
    default:
      for (const v1::EvaluationSpec& text : assignment.spec().evaluations()) {
        const bool dense = assignment.kind() == v1::TASK_KIND_EVALUATE_DENSE;
        v1::Perplexity& measured = *result.mutable_evaluation()->add_texts();
        measured.set_name(text.name());
        measured.set_perplexity(dense ? 25 : 30);
        if (!dense) measured.set_kl_divergence(0.5);
        measured.set_tokens(2550 + variant);
      }
  }
  return result;
}

Holder HolderOf(const TestWorker& worker, const v1::Assignment& assignment) {
  return {worker.name, worker.incarnation, assignment.lease()};
}

TestJob::TestJob(int blocks, bool evaluation, v1::Schedule schedule)
    : TestJob(TestRequest(blocks, evaluation, schedule)) {}

TestJob::TestJob(const NewJob& request) {
  context.now = absl::FromUnixSeconds(1'750'000'000);
  context.fleet = {1, int64_t{16} << 30};
  context.options.workspace_uri = "/workspace";
  CreateJobRow create = OnCreated("j1", request, context);
  rows = std::move(create.rows);
  events = std::move(create.events);
}

std::optional<v1::Assignment> TestJob::Lease(TestWorker& worker, absl::string_view request_id,
                                             std::optional<int32_t> cursor) {
  std::vector<v1::Assignment> granted = LeaseAll(worker, request_id, cursor);
  if (granted.empty()) return std::nullopt;
  return std::move(granted.front());
}

std::vector<v1::Assignment> TestJob::LeaseAll(TestWorker& worker, absl::string_view request_id,
                                              std::optional<int32_t> cursor) {
  const std::string id = request_id.empty() ? absl::StrCat("request-", ++requests_) : std::string(request_id);
  auto decision = OnLeaseAsked(rows,
                               {worker.name,
                                worker.incarnation,
                                id,
                                worker.held,
                                {worker.memory_bytes, cursor, worker.name, worker.most_blocks}},
                               context);
  Apply(decision.changes);
  EXPECT_TRUE(decision.reply.ok()) << decision.reply.status();
  for (const v1::Assignment& assignment : *decision.reply) worker.held.push_back(assignment.lease().id());
  return *std::move(decision.reply);
}

absl::Status TestJob::Commit(const TestWorker& worker, const v1::Assignment& assignment, int variant) {
  return Commit(worker, assignment, TestResult(assignment, variant));
}

absl::Status TestJob::Commit(const TestWorker& worker, const v1::Assignment& assignment, const v1::TaskResult& result) {
  const TaskName name = *ParseTaskName("task", assignment.lease().task());
  auto decision = OnCommit(rows, name.task_id, HolderOf(worker, assignment), result, worker.leaving, context);
  Apply(decision.changes);
  return decision.reply.status();
}

absl::Status TestJob::Fail(const TestWorker& worker, const v1::Assignment& assignment, v1::FailureReason reason,
                           absl::string_view message) {
  const TaskName name = *ParseTaskName("task", assignment.lease().task());
  auto decision = OnFailed(rows, name.task_id, HolderOf(worker, assignment),
                           {reason, std::string(message), {"last line"}}, context);
  Apply(decision.changes);
  return decision.reply.status();
}

absl::StatusOr<bool> TestJob::Beat(const TestWorker& worker, const v1::Assignment& assignment,
                                   const v1::TaskProgress& progress) {
  const TaskName name = *ParseTaskName("task", assignment.lease().task());
  const Holder holder = HolderOf(worker, assignment);
  auto decision = OnHeartbeat(rows.job, task(name.task_id), holder, progress, context);
  Apply(decision.changes);
  if (!decision.reply.ok()) return decision.reply.status();
  if (decision.reply->renew) {
    auto renewed = OnRenewed(rows, name.task_id, holder, progress, context);
    Apply(renewed.changes);
    if (!renewed.reply.ok()) return renewed.reply.status();
  }
  return decision.reply->cancel;
}

void TestJob::Expire(absl::string_view task_id) {
  ASSERT_TRUE(task(task_id).lease.has_value()) << task_id << " has no lease";
  Apply(OnLeaseExpired(rows, task_id, task(task_id).lease->id, task(task_id).lease->beat, context).changes);
}

void TestJob::Restart(TestWorker& worker, absl::string_view incarnation) {
  worker.incarnation = std::string(incarnation);
  worker.held.clear();
  Apply(OnWorkerRestarted(rows, worker.name, worker.incarnation, context).changes);
}

absl::Status TestJob::Cancel() {
  auto decision = OnCancel(rows, context);
  Apply(decision.changes);
  return decision.reply.status();
}

absl::Status TestJob::Retry(bool ignore_gates) {
  auto decision = OnRetry(rows, ignore_gates, context);
  Apply(decision.changes);
  return decision.reply.status();
}

std::vector<std::string> TestJob::WorkOff(TestWorker& worker) {
  std::vector<std::string> ids;
  while (const std::optional<v1::Assignment> assignment = Lease(worker)) {
    ids.push_back(ParseTaskName("task", assignment->lease().task())->task_id);
    context.now += absl::Seconds(10);
    EXPECT_TRUE(Commit(worker, *assignment).ok());
  }
  return ids;
}

v1::Assignment TestJob::WorkUpTo(TestWorker& worker, absl::string_view task_id) {
  while (const std::optional<v1::Assignment> assignment = Lease(worker)) {
    if (ParseTaskName("task", assignment->lease().task())->task_id == task_id) return *assignment;
    EXPECT_TRUE(Commit(worker, *assignment).ok());
  }
  ADD_FAILURE() << "never got " << task_id;
  return {};
}

void TestJob::Apply(const JobChanges& changes) {
  int64_t version = rows.job.job.version();
  for (const v1::WatchJobResponse& event : changes.events) {
    EXPECT_EQ(event.version(), ++version) << "events are numbered without gap";
    if (event.has_job()) {
      EXPECT_EQ(event.job().version(), event.version());
    }
    events.push_back(event);
  }
  for (const TaskRow& changed : changes.tasks) {
    TaskRow& before = task(changed.id);
    if (before.task.state() == v1::TASK_STATE_COMMITTED) {
      EXPECT_EQ(changed.task.result().attempt(), before.task.result().attempt()) << "committed tasks stay as they are";
      EXPECT_EQ(changed.task.state(), v1::TASK_STATE_COMMITTED);
    }
    EXPECT_EQ(changed.task.state() == v1::TASK_STATE_LEASED, changed.lease && !changed.lease->expired);
    before = changed;
  }
  for (const LeaseRow& beat : changes.beats) {
    for (TaskRow& row : rows.tasks) {
      if (row.lease && row.lease->id == beat.id) row.lease = beat;
    }
  }
  if (changes.job) rows.job = *changes.job;
  EXPECT_EQ(rows.job.job.version(), version) << "the job's version is that of its last event";
  garbage.insert(garbage.end(), changes.garbage.begin(), changes.garbage.end());
  rescued.insert(rescued.end(), changes.rescued.begin(), changes.rescued.end());
  erased = erased || changes.erase;
}

TaskRow& TestJob::task(absl::string_view id) {
  for (TaskRow& row : rows.tasks) {
    if (row.id == id) return row;
  }
  ADD_FAILURE() << "no task " << id;
  return rows.tasks.front();
}

const v1::Attempt& TestJob::last_attempt(absl::string_view id) {
  const v1::Task& found = task(id).task;
  EXPECT_GT(found.attempts_size(), 0) << id << " has no attempts";
  return found.attempts(found.attempts_size() - 1);
}

}  // namespace besa::server::testing
