#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "client/cli/commands.h"
#include "client/cli/context.h"
#include "client/cli/exit_code.h"
#include "client/cli/local_path.h"
#include "report/report.h"

namespace besa::client {
namespace {

// What CLI11 fills in while it parses.
struct ReportFlags {
  std::string job;
  std::string output;
  bool open = false;
};

absl::Status WriteFile(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  file.close();
  if (file) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("--output: ", path, " cannot be written"));
}

// "besa-report-<id>.html" in the current directory unless --output says otherwise; "-" is standard output.
std::string TargetOf(const Context& context, const ReportFlags& flags, const std::string& name) {
  if (!flags.output.empty())
    return flags.output == "-" ? "-" : AbsoluteUri(flags.output, context.surroundings.directory);
  return absl::StrCat(context.surroundings.directory, "/besa-report-", absl::StripPrefix(name, "jobs/"), ".html");
}

int Report(const Context& context, const ReportFlags& flags) {
  const std::string name = JobName(flags.job);
  PruneClient client = context.Connect();
  const auto job = client.GetJob(name);
  if (!job.ok()) return context.Fail(job.status());
  const auto tasks = client.ListTasks(name);
  if (!tasks.ok()) return context.Fail(tasks.status());
  const std::string html = FormatReport(*job, {tasks->tasks().begin(), tasks->tasks().end()}, BESA_VERSION,
                                        context.surroundings.clock->Now());
  const std::string target = TargetOf(context, flags, name);
  if (target == "-") {
    context.out() << html;
    return kExitOk;
  }
  const absl::Status written = WriteFile(target, html);
  if (!written.ok()) return context.Fail(written);
  context.out() << "report: " << target << "\n";
  if (flags.open && !context.surroundings.open_in_browser(target)) {
    context.err() << "besa: no browser could be started; open the file yourself\n";
  }
  return kExitOk;
}

}  // namespace

void AddReportCommand(CLI::App& app, Context& context) {
  const auto flags = std::make_shared<ReportFlags>();
  CLI::App& report = *app.add_subcommand("report", "Write a page that shows a job, also while it runs");
  report.add_option("job", flags->job, "jobs/ID, or the ID alone")->required();
  report.add_option("--output", flags->output, "File to write, - for stdout [besa-report-ID.html]");
  report.add_flag("--open", flags->open, "Show it in the browser");
  report.callback([flags, &context] { context.run = [flags, &context] { return Report(context, *flags); }; });
}

}  // namespace besa::client
