// Jobs: what people ask for. Workers: coordinator_workers.cc. Publisher and housekeeping: coordinator_upkeep.cc.
#include "server/scheduler/coordinator.h"

#include <algorithm>
#include <random>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

#include "proto/time.h"
#include "server/scheduler/control.h"
#include "server/scheduler/coordinator_run.h"
#include "server/scheduler/job_state.h"
#include "server/scheduler/present.h"
#include "server/state/names.h"
#include "server/state/page_token.h"
#include "storage/base/error_info.h"

namespace besa::server {
namespace {

constexpr int32_t kEventsAtOnce = 200;

WatchPage Snapshot(const JobRows& rows, WatchPosition position, bool reset, const Context& context) {
  WatchPage page;
  v1::WatchJobResponse& message = page.messages.emplace_back();
  message.set_version(rows.job.job.version());
  message.set_reset(reset);
  *message.mutable_snapshot() = ShowAll(rows, context);
  page.next = {rows.job.job.version(), position.progress};
  // The snapshot holds these reports already.
  for (const TaskRow& row : rows.tasks) {
    if (row.lease) page.next.progress = std::max(page.next.progress, row.lease->progress_serial);
  }
  return page;
}

}  // namespace

Coordinator::Coordinator(StateStore& store, ChangeNotifier& notifier, const Clock& clock, IdSource new_job_id,
                         SchedulerOptions options)
    : store_(store),
      notifier_(notifier),
      clock_(clock),
      new_job_id_(std::move(new_job_id)),
      options_(std::move(options)) {}

absl::StatusOr<Context> Coordinator::MakeContext() {
  ASSIGN_OR_RETURN(const FleetSummary fleet, store_.ReadFleet());
  return Context{clock_.Now(), fleet, options_};
}

void Coordinator::Wake(absl::string_view job_id, const JobChanges& changes) {
  if (!changes.events.empty() || !changes.beats.empty() || changes.erase) notifier_.JobChanged(job_id);
  for (const TaskRow& row : changes.tasks) {
    if (row.task.state() != v1::TASK_STATE_PENDING) continue;
    notifier_.WorkAppeared();
    break;
  }
  if (changes.job && changes.job->job.state() == v1::JOB_STATE_PUBLISHING && changes.job->publisher.empty()) {
    notifier_.PublishingAppeared();
  }
  if (changes.job && changes.job->hook_caller.empty()) {
    const v1::CompletionHook& hook = changes.job->job.completion_hook();
    const bool pending = hook.state() == v1::COMPLETION_HOOK_STATE_PENDING;
    if (pending && FromProto(hook.next_attempt_time()) <= clock_.Now()) notifier_.HookFellDue();
  }
}

AuditRow Coordinator::Audit(const char* action, std::string resource, const std::string& detail, const Caller& caller) {
  return {clock_.Now(), action, std::move(resource), caller.address, detail};
}

absl::StatusOr<v1::Job> Coordinator::CreateJob(const NewJob& request, const Caller& caller) {
  ASSIGN_OR_RETURN(const Context context, MakeContext());
  CreateJobRow create = OnCreated(new_job_id_(), request, context);
  create.audit.push_back(Audit("create", create.rows.job.job.name(), absl::StrCat("to ", request.output_key), caller));
  ASSIGN_OR_RETURN(const JobRows rows, store_.CreateJob(create));
  notifier_.WorkAppeared();
  return ShowJob(rows, context);
}

absl::StatusOr<v1::Job> Coordinator::PreviewJob(const NewJob& request) {
  ASSIGN_OR_RETURN(const Context context, MakeContext());
  return OnCreated(new_job_id_(), request, context).rows.job.job;
}

absl::StatusOr<std::optional<v1::Job>> Coordinator::FindCreated(absl::string_view request_id,
                                                                absl::string_view request_hash) {
  return store_.FindCreated(request_id, request_hash);
}

absl::StatusOr<v1::Job> Coordinator::GetJob(absl::string_view name) {
  ASSIGN_OR_RETURN(const std::string job_id, ParseJobName("name", name));
  ASSIGN_OR_RETURN(const Context context, MakeContext());
  ASSIGN_OR_RETURN(const JobRows rows, store_.ReadJob(job_id));
  return ShowJob(rows, context);
}

absl::StatusOr<v1::ListJobsResponse> Coordinator::ListJobs(const v1::ListJobsRequest& request) {
  ASSIGN_OR_RETURN(const int32_t page_size, CheckPageSize(request.page_size(), 50, 1000));
  ASSIGN_OR_RETURN(const JobFilter filter, ParseJobFilter(request.filter()));
  const std::string scope = absl::StrCat("jobs ", request.filter());
  ASSIGN_OR_RETURN(const std::string position, ParsePageToken(scope, request.page_token()));
  int64_t from = 0;
  if (!position.empty() && !absl::SimpleAtoi(position, &from)) return absl::InternalError("malformed page position");

  ASSIGN_OR_RETURN(JobPage page, store_.ListJobs(page_size, from, filter));
  v1::ListJobsResponse response;
  for (v1::Job& job : page.jobs) *response.add_jobs() = std::move(job);
  if (page.next != 0) response.set_next_page_token(MakePageToken(scope, absl::StrCat(page.next)));
  return response;
}

absl::StatusOr<WatchPage> Coordinator::EventsSince(absl::string_view name, WatchPosition position) {
  ASSIGN_OR_RETURN(const std::string job_id, ParseJobName("name", name));
  ASSIGN_OR_RETURN(const Context context, MakeContext());
  ASSIGN_OR_RETURN(EventPage events, store_.ReadEvents(job_id, position.version, kEventsAtOnce));
  ASSIGN_OR_RETURN(const JobRows rows, store_.ReadJob(job_id));

  WatchPage page;
  if (position.version == 0 || events.too_old) {
    page = Snapshot(rows, position, /*reset=*/position.version != 0, context);
  } else {
    page.messages = std::move(events.events);
    page.next = position;
    if (!page.messages.empty()) page.next.version = page.messages.back().version();
    ASSIGN_OR_RETURN(const std::vector<ProgressRow> reports, store_.ReadProgress(job_id, position.progress));
    for (const ProgressRow& report : reports) {
      page.next.progress = report.serial;
      for (const TaskRow& row : rows.tasks) {
        if (row.id != report.task_id || row.task.state() != v1::TASK_STATE_LEASED) continue;
        v1::WatchJobResponse& message = page.messages.emplace_back();
        message.set_version(page.next.version);
        *message.mutable_progress() = ShowTask(rows, row, context);
        // The report may be newer than the rows.
        *message.mutable_progress()->mutable_progress() = report.progress;
      }
    }
  }
  page.more = page.next.version < rows.job.job.version();
  page.ended = !page.more && HasEnded(rows.job.job.state()) && !AnythingLeased(rows);
  return page;
}

absl::StatusOr<v1::Job> Coordinator::CancelJob(absl::string_view name, const Caller& caller) {
  ASSIGN_OR_RETURN(const std::string job_id, ParseJobName("name", name));
  return RunAsked<v1::Job>(job_id, "cancel", "", caller, OnCancel);
}

absl::StatusOr<v1::Job> Coordinator::RetryJob(absl::string_view name, bool ignore_gates, const Caller& caller) {
  ASSIGN_OR_RETURN(const std::string job_id, ParseJobName("name", name));
  return RunAsked<v1::Job>(
      job_id, "retry", ignore_gates ? "ignore_gates" : "", caller,
      [ignore_gates](JobRows rows, const Context& context) { return OnRetry(std::move(rows), ignore_gates, context); });
}

absl::Status Coordinator::DeleteJob(absl::string_view name, const Caller& caller) {
  ASSIGN_OR_RETURN(const std::string job_id, ParseJobName("name", name));
  return RunAsked<Done>(job_id, "delete", "", caller, OnDelete).status();
}

absl::StatusOr<v1::ListTasksResponse> Coordinator::ListTasks(const v1::ListTasksRequest& request) {
  ASSIGN_OR_RETURN(const std::string job_id, ParseJobName("parent", request.parent()));
  ASSIGN_OR_RETURN(const int32_t page_size, CheckPageSize(request.page_size(), 200, 1000));
  const std::string scope = absl::StrCat("tasks ", request.parent());
  ASSIGN_OR_RETURN(const std::string position, ParsePageToken(scope, request.page_token()));
  size_t next = 0;
  if (!position.empty() && !absl::SimpleAtoi(position, &next)) return absl::InternalError("malformed page position");

  ASSIGN_OR_RETURN(const Context context, MakeContext());
  ASSIGN_OR_RETURN(const JobRows rows, store_.ReadJob(job_id));
  v1::ListTasksResponse response;
  for (; next < rows.tasks.size() && response.tasks_size() < page_size; ++next) {
    *response.add_tasks() = ShowTask(rows, rows.tasks[next], context);
  }
  if (next < rows.tasks.size()) response.set_next_page_token(MakePageToken(scope, absl::StrCat(next)));
  return response;
}

absl::StatusOr<v1::Task> Coordinator::GetTask(absl::string_view name) {
  ASSIGN_OR_RETURN(const TaskName task, ParseTaskName("name", name));
  ASSIGN_OR_RETURN(const Context context, MakeContext());
  ASSIGN_OR_RETURN(const JobRows rows, store_.ReadJob(task.job_id));
  for (const TaskRow& row : rows.tasks) {
    if (row.id == task.task_id) return ShowTask(rows, row, context);
  }
  return ErrorWithInfo(absl::StatusCode::kNotFound, absl::StrCat("there is no ", name),
                       {"TASK_NOT_FOUND", {{"task", std::string(name)}}});
}

std::string RandomJobId() {
  constexpr absl::string_view kLetters = "abcdefghijklmnopqrstuvwxyz234567";
  std::random_device entropy;
  std::string id;
  while (id.size() < 10) id += kLetters[entropy() % kLetters.size()];
  return id;
}

}  // namespace besa::server
