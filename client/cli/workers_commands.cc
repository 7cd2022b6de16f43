#include "CLI/CLI.hpp"
#include "client/cli/commands.h"
#include "client/cli/context.h"
#include "client/cli/job_text.h"

namespace besa::client {

void AddWorkersCommand(CLI::App& app, Context& context) {
  CLI::App& workers = *app.add_subcommand("workers", "Look at the fleet");
  workers.require_subcommand(1);
  workers.add_subcommand("list", "Workers that are connected or were lately")->callback([&context] {
    context.run = [&context] {
      const auto list = context.Connect().ListWorkers();
      return list.ok() ? context.Show(*list, WorkerTable(*list)) : context.Fail(list.status());
    };
  });
}

}  // namespace besa::client
