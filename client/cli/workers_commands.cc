#include <memory>
#include <string>

#include "CLI/CLI.hpp"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/cli/context.h"
#include "client/cli/job_text.h"

namespace besa::client {
namespace {

struct FleetFlags {
  std::string worker;
  std::string resource;
  int limit = 50;
};

// "workers/NAME" of NAME.
std::string WorkerName(const std::string& text) {
  return absl::StartsWith(text, "workers/") ? text : absl::StrCat("workers/", text);
}

int SetDraining(const Context& context, const std::string& name, bool draining) {
  const auto worker = draining ? context.Connect().DrainWorker(name) : context.Connect().UndrainWorker(name);
  if (!worker.ok()) return context.Fail(worker.status());
  const std::string running = worker->tasks().empty() ? "runs nothing" : absl::StrCat("finishes ", worker->tasks(0));
  return context.Show(
      *worker, draining ? absl::StrCat(name, ": drains, ", running, "\n") : absl::StrCat(name, ": gets tasks again\n"));
}

int Audit(const Context& context, const FleetFlags& flags) {
  const auto entries = context.Connect().ListAuditEntries(flags.resource, flags.limit);
  return entries.ok() ? context.Show(*entries, AuditTable(*entries)) : context.Fail(entries.status());
}

}  // namespace

void AddWorkersCommand(CLI::App& app, Context& context) {
  const auto flags = std::make_shared<FleetFlags>();
  CLI::App& workers = *app.add_subcommand("workers", "Look after the fleet");
  workers.require_subcommand(1);
  workers.add_subcommand("list", "Workers that are connected or were lately")->callback([&context] {
    context.run = [&context] {
      const auto list = context.Connect().ListWorkers();
      return list.ok() ? context.Show(*list, WorkerTable(*list)) : context.Fail(list.status());
    };
  });
  const auto add = [&](const char* word, const char* help, bool draining) {
    CLI::App* const command = workers.add_subcommand(word, help);
    command->add_option("worker", flags->worker, "workers/NAME, or the NAME alone")->required();
    command->callback([flags, draining, &context] {
      context.run = [flags, draining, &context] { return SetDraining(context, WorkerName(flags->worker), draining); };
    });
  };
  add("drain", "Let a worker finish its task and give it no more", true);
  add("undrain", "Give it tasks again", false);

  CLI::App& audit = *app.add_subcommand("audit", "Who asked for which change, newest first");
  audit.add_option("resource", flags->resource, "jobs/ID or workers/NAME [everything]");
  audit.add_option("--limit", flags->limit, "At most this many [50]")->check(CLI::PositiveNumber);
  audit.callback([flags, &context] { context.run = [flags, &context] { return Audit(context, *flags); }; });
}

}  // namespace besa::client
