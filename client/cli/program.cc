#include "client/cli/program.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "CLI/CLI.hpp"
#include "client/cli/commands.h"
#include "client/cli/duration_option.h"
#include "client/cli/error_text.h"
#include "client/cli/exit_code.h"

namespace besa::client {
namespace {

// Global flags may stand before or after the command.
void AcceptGlobalFlags(CLI::App& app) {
  for (CLI::App* const command : app.get_subcommands({})) {
    command->fallthrough();
    AcceptGlobalFlags(*command);
  }
}

}  // namespace

int RunProgram(int argc, const char* const* argv, Surroundings surroundings) {
  Context context{.surroundings = std::move(surroundings)};
  context.server = context.surroundings.default_server;

  CLI::App app("Prunes LLM checkpoints as a service: talks to a besa coordinator.", "besa");
  app.footer(kExitCodesHelp);
  app.set_version_flag("--version", "besa " BESA_VERSION);
  app.require_subcommand(1);
  const auto* const server =
      app.add_option("--server", context.server, "The coordinator, HOST:PORT [env BESA_SERVER, or 127.0.0.1:7600]");
  app.add_flag("--json", context.json, "JSON on stdout: one object, or one a line where a job is watched");
  AddDurationOption(app, "--timeout", context.timeout, "How long to wait for each answer [10s]");
  AddPruneCommands(app, context);
  AddEstimateCommand(app, context);
  AddJobsCommand(app, context);
  AddReportCommand(app, context);
  AddWorkersCommand(app, context);
  AcceptGlobalFlags(app);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    // --help and --version come this way too, with status 0; CLI11's own numbers for errors mean nothing to scripts.
    if (app.exit(error, context.out(), context.err()) == 0) return kExitOk;
    // The flag itself may not have been reached.
    if (std::find(argv, argv + argc, std::string_view("--json")) != argv + argc) {
      context.out() << ErrorJson(absl::InvalidArgumentError(error.what())) << "\n";
    }
    return kExitInvalid;
  }
  context.server_given = server->count() > 0;
  return context.run();
}

}  // namespace besa::client
