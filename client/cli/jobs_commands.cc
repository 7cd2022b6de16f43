#include <functional>
#include <memory>
#include <string>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/cli/context.h"
#include "client/cli/duration_option.h"
#include "client/cli/format.h"
#include "client/cli/job_text.h"
#include "client/cli/local_path.h"
#include "client/cli/log_text.h"
#include "client/cli/watch_command.h"

namespace besa::client {
namespace {

// What CLI11 fills in while it parses.
struct JobsFlags {
  std::string job;
  std::string filter;
  int limit = 50;
  bool ignore_gates = false;
  bool failed_only = false;
  absl::Duration give_up_after = absl::Minutes(10);
};

int ShowJob(const Context& context, const absl::StatusOr<v1::Job>& job, const std::function<std::string()>& text) {
  return job.ok() ? context.Show(*job, text()) : context.Fail(job.status());
}

int List(const Context& context, const JobsFlags& flags) {
  const auto jobs = context.Connect().ListJobs(flags.filter, flags.limit);
  if (!jobs.ok()) return context.Fail(jobs.status());
  std::string text = JobTable(*jobs);
  if (!jobs->next_page_token().empty()) absl::StrAppend(&text, "and more; --limit 0 shows all\n");
  return context.Show(*jobs, text);
}

int Get(const Context& context, const std::string& name) {
  const auto job = context.Connect().GetJob(name);
  return ShowJob(context, job, [&] { return DescribeJob(*job); });
}

int Cancel(const Context& context, const std::string& name) {
  const auto job = context.Connect().CancelJob(name);
  return ShowJob(context, job, [&] { return absl::StrCat(job->name(), ": ", EnumWord(job->state()), "\n"); });
}

int Retry(const Context& context, const std::string& name, bool ignore_gates) {
  const auto job = context.Connect().RetryJob(name, ignore_gates);
  return ShowJob(context, job, [&] {
    return absl::StrCat(job->name(), ": ", EnumWord(job->state()), ", generation ", job->generation(), ", ",
                        job->progress().blocks_committed(), " of ", job->progress().blocks_total(),
                        " blocks kept\nwatch it: ", context.Suggest(absl::StrCat("jobs watch ", job->name())), "\n");
  });
}

int Delete(const Context& context, const std::string& name) {
  const absl::Status status = context.Connect().DeleteJob(name);
  if (!status.ok()) return context.Fail(status);
  return context.Show(google::protobuf::Empty(), absl::StrCat(name, ": deleted\n"));
}

int Tasks(const Context& context, const std::string& name) {
  const auto tasks = context.Connect().ListTasks(name);
  if (!tasks.ok()) return context.Fail(tasks.status());
  return context.Show(*tasks, TaskTable(*tasks));
}

int Logs(const Context& context, const std::string& name, bool failed_only) {
  const auto tasks = context.Connect().ListTasks(name);
  if (!tasks.ok()) return context.Fail(tasks.status());
  return context.Show(*tasks, DescribeLogs(*tasks, failed_only));
}

}  // namespace

void AddJobsCommand(CLI::App& app, Context& context) {
  const auto flags = std::make_shared<JobsFlags>();
  CLI::App& jobs = *app.add_subcommand("jobs", "Look after jobs");
  jobs.require_subcommand(1);

  CLI::App& list = *jobs.add_subcommand("list", "Jobs, newest first");
  list.add_option("--filter", flags->filter, "Such as 'state = PRUNING AND display_name = \"nightly\"'");
  list.add_option("--limit", flags->limit, "At most this many; 0: all [50]")->check(CLI::NonNegativeNumber);
  list.callback([flags, &context] { context.run = [flags, &context] { return List(context, *flags); }; });

  const auto add = [&](const char* word, const char* help, std::function<int(const std::string& name)> run) {
    CLI::App* const command = jobs.add_subcommand(word, help);
    command->add_option("job", flags->job, "jobs/ID, or the ID alone")->required();
    command->callback([flags, run, &context] { context.run = [flags, run] { return run(JobName(flags->job)); }; });
    return command;
  };
  add("get", "Everything about one job", [&context](const std::string& name) { return Get(context, name); });
  CLI::App* const watch =
      add("watch", "Follow a job to its end; the exit status tells how it ended",
          [flags, &context](const std::string& name) { return WatchJob(context, name, flags->give_up_after); });
  AddDurationOption(*watch, "--give-up-after", flags->give_up_after, "How long to go on without a coordinator [10m]");
  add("cancel", "Stop a job; no output is written",
      [&context](const std::string& name) { return Cancel(context, name); });
  CLI::App* const retry =
      add("retry", "Start a failed job again; committed blocks are kept",
          [flags, &context](const std::string& name) { return Retry(context, name, flags->ignore_gates); });
  retry->add_flag("--ignore-gates", flags->ignore_gates, "Publish whatever the evaluations came to");
  add("delete", "Forget a job that has ended; its output stays",
      [&context](const std::string& name) { return Delete(context, name); });
  add("tasks", "The tasks of a job: state, attempts, figures",
      [&context](const std::string& name) { return Tasks(context, name); });
  CLI::App* const logs =
      add("logs", "The last lines of every attempt, those that failed first",
          [flags, &context](const std::string& name) { return Logs(context, name, flags->failed_only); });
  logs->add_flag("--failed", flags->failed_only, "Only attempts that failed or were lost");
}

}  // namespace besa::client
