#include "server/metrics/step_metrics.h"

#include <algorithm>

#include "google/protobuf/util/time_util.h"
#include "server/metrics/labels.h"

namespace besa::server {
namespace {

using google::protobuf::util::TimeUtil;

bool HasEnded(v1::JobState state) {
  return state == v1::JOB_STATE_SUCCEEDED || state == v1::JOB_STATE_FAILED || state == v1::JOB_STATE_CANCELLED;
}

double SecondsBetween(const google::protobuf::Timestamp& begin, const google::protobuf::Timestamp& end) {
  return static_cast<double>(TimeUtil::DurationToMilliseconds(end - begin)) / 1000.0;
}

bool HasEnded(const v1::Attempt& attempt) { return attempt.outcome() != v1::ATTEMPT_OUTCOME_UNSPECIFIED; }

int CountEnded(const v1::Task& task) {
  return static_cast<int>(std::count_if(task.attempts().begin(), task.attempts().end(),
                                        [](const v1::Attempt& attempt) { return HasEnded(attempt); }));
}

}  // namespace

BeforeStep RememberForMetrics(const JobRows& rows) {
  BeforeStep before{.state = rows.job.job.state(),
                    .started = rows.job.started,
                    .hook_called = !rows.job.hook_caller.empty(),
                    .ended = {},
                    .begun = {}};
  for (const TaskRow& row : rows.tasks) {
    before.ended[row.id] = CountEnded(row.task);
    before.begun[row.id] = row.task.attempts_size();
  }
  return before;
}

StepMetrics::StepMetrics(prometheus::Registry& registry)
    : jobs_ended_(prometheus::BuildCounter()
                      .Name("besa_jobs_ended_total")
                      .Help("Jobs that ended, by state; a job that is retried ends again.")
                      .Register(registry)),
      attempts_(prometheus::BuildCounter()
                    .Name("besa_attempts_ended_total")
                    .Help("Attempts of tasks that ended, by outcome and reason.")
                    .Register(registry)),
      expiries_(prometheus::BuildCounter()
                    .Name("besa_lease_expiries_total")
                    .Help("Leases whose holder was not heard of, or made no progress, for a term.")
                    .Register(registry)
                    .Add({})),
      hooks_(prometheus::BuildCounter()
                 .Name("besa_completion_hook_attempts_total")
                 .Help("Calls of completion hooks, by what came of them.")
                 .Register(registry)),
      queue_(prometheus::BuildHistogram()
                 .Name("besa_job_queue_seconds")
                 .Help("From a job's creation to its first lease.")
                 .Register(registry)
                 .Add({}, prometheus::Histogram::BucketBoundaries{1, 10, 60, 600, 3600, 21600})),
      stages_(prometheus::BuildCounter()
                  .Name("besa_stage_seconds_total")
                  .Help("Seconds that committed tasks spent, by stage, summed over workers.")
                  .Register(registry)),
      tasks_(prometheus::BuildHistogram()
                 .Name("besa_task_seconds")
                 .Help("From the lease of a task to its commit.")
                 .Register(registry)) {
  // From the start, so that the first one shows as an increase.
  for (const v1::JobState state : {v1::JOB_STATE_SUCCEEDED, v1::JOB_STATE_FAILED, v1::JOB_STATE_CANCELLED}) {
    jobs_ended_.Add({{"state", StateLabel(state)}});
  }
  for (const char* outcome : {"delivered", "failed", "undelivered"}) hooks_.Add({{"outcome", outcome}});
  for (int kind = v1::TaskKind_MIN + 1; kind <= v1::TaskKind_MAX; ++kind) {
    const auto begin = [&](v1::AttemptOutcome outcome, v1::FailureReason reason) {
      attempts_.Add({{"kind", KindLabel(static_cast<v1::TaskKind>(kind))},
                     {"outcome", OutcomeLabel(outcome)},
                     {"reason", ReasonLabel(reason)}});
    };
    for (int reason = v1::FailureReason_MIN + 1; reason <= v1::FailureReason_MAX; ++reason) {
      if (v1::FailureReason_IsValid(reason)) begin(v1::ATTEMPT_OUTCOME_FAILED, static_cast<v1::FailureReason>(reason));
    }
    begin(v1::ATTEMPT_OUTCOME_EXPIRED, v1::FAILURE_REASON_LOST);
    begin(v1::ATTEMPT_OUTCOME_EXPIRED, v1::FAILURE_REASON_NO_PROGRESS);
  }
}

void StepMetrics::Record(const BeforeStep& before, const JobChanges& changes) {
  for (const TaskRow& row : changes.tasks) {
    const auto ended = before.ended.find(row.id);
    RecordTask(row.task, ended == before.ended.end() ? 0 : ended->second);
  }
  if (!changes.job) return;
  const v1::Job& job = changes.job->job;
  if (HasEnded(job.state()) && job.state() != before.state) {
    jobs_ended_.Add({{"state", StateLabel(job.state())}}).Increment();
  }
  if (before.hook_called && changes.job->hook_caller.empty()) RecordHook(*changes.job);
  if (changes.job->started && !before.started && job.generation() == 1 && job.has_start_time()) {
    queue_.Observe(SecondsBetween(job.create_time(), job.start_time()));
  }
}

void StepMetrics::RecordHook(const JobRow& row) {
  const auto count = [&](const char* outcome) { hooks_.Add({{"outcome", outcome}}).Increment(); };
  switch (row.job.completion_hook().state()) {
    case v1::COMPLETION_HOOK_STATE_DELIVERED:
      return count("delivered");
    case v1::COMPLETION_HOOK_STATE_FAILED:
      return count("undelivered");
    case v1::COMPLETION_HOOK_STATE_PENDING:
      return count("failed");
    default:  // the job was retried meanwhile
      return;
  }
}

void StepMetrics::RecordTask(const v1::Task& task, int ended_before) {
  const std::string kind = KindLabel(task.kind());
  int seen = 0;
  for (const v1::Attempt& attempt : task.attempts()) {
    if (!HasEnded(attempt) || seen++ < ended_before) continue;
    attempts_
        .Add({{"kind", kind}, {"outcome", OutcomeLabel(attempt.outcome())}, {"reason", ReasonLabel(attempt.reason())}})
        .Increment();
    if (attempt.outcome() == v1::ATTEMPT_OUTCOME_EXPIRED) expiries_.Increment();
    if (attempt.outcome() != v1::ATTEMPT_OUTCOME_COMMITTED) continue;
    tasks_.Add({{"kind", kind}}, prometheus::Histogram::BucketBoundaries{1, 10, 60, 300, 1800, 7200})
        .Observe(SecondsBetween(attempt.start_time(), attempt.end_time()));
    for (const v1::StageSeconds& stage : task.result().stages()) {
      stages_.Add({{"stage", stage_label_(stage.stage())}}).Increment(std::max(0.0, stage.seconds()));
    }
  }
}

}  // namespace besa::server
