#include <memory>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/cli/context.h"
#include "client/cli/duration_option.h"
#include "client/cli/job_text.h"
#include "client/cli/spec_flags.h"
#include "client/cli/watch_command.h"

namespace besa::client {
namespace {

// What CLI11 fills in while it parses.
struct PruneFlags {
  SpecFlags spec;
  bool watch = false;
  bool validate_only = false;
  absl::Duration give_up_after = absl::Minutes(10);
};

int Prune(const Context& context, const PruneFlags& flags) {
  auto request = MakeCreateRequest(flags.spec, context.surroundings.directory);
  if (!request.ok()) return context.Fail(request.status());
  request->set_validate_only(flags.validate_only);
  const auto job = context.Connect().CreateJob(*request);
  if (!job.ok()) return context.Fail(job.status());
  if (flags.validate_only) {
    v1::Job checked = *job;
    // Nobody will find a job of this name.
    checked.clear_name();
    return context.Show(*job, absl::StrCat(DescribeJob(checked), "valid; nothing was stored\n"));
  }
  if (flags.watch) return WatchJob(context, job->name(), flags.give_up_after);
  return context.Show(*job, absl::StrCat("job: ", job->name(), "\nwatch it: ",
                                         context.Suggest(absl::StrCat("jobs watch ", job->name())), "\n"));
}

}  // namespace

void AddPruneCommands(CLI::App& app, Context& context) {
  const auto flags = std::make_shared<PruneFlags>();

  CLI::App& prune = *app.add_subcommand("prune", "Prune a checkpoint: creates a job, with --watch follows it");
  AddSpecFlags(prune, flags->spec);
  auto* const watch = prune.add_flag("--watch", flags->watch, "Show the progress until the job ends");
  AddDurationOption(prune, "--give-up-after", flags->give_up_after,
                    "With --watch: how long to go on without a coordinator [10m]")
      ->needs(watch);
  prune.add_flag("--validate-only", flags->validate_only, "Check everything, create nothing")->excludes(watch);
  prune.callback([flags, &context] { context.run = [flags, &context] { return Prune(context, *flags); }; });

  CLI::App& validate =
      *app.add_subcommand("validate", "Check what `prune` would do: shows the model and the spec with its defaults");
  AddSpecFlags(validate, flags->spec);
  validate.callback([flags, &context] {
    flags->validate_only = true;
    context.run = [flags, &context] { return Prune(context, *flags); };
  });
}

}  // namespace besa::client
