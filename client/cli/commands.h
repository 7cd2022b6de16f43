// The commands of the program. Each function declares one on the command line; parsing then sets Context::run.
// `context` must outlive the app.
#pragma once

namespace CLI {
class App;
}

namespace besa::client {

struct Context;

// besa prune, besa validate.
void AddPruneCommands(CLI::App& app, Context& context);
// besa estimate.
void AddEstimateCommand(CLI::App& app, Context& context);
// besa jobs list|get|watch|cancel|retry|delete|tasks|logs.
void AddJobsCommand(CLI::App& app, Context& context);
// besa report.
void AddReportCommand(CLI::App& app, Context& context);
// besa workers list|drain|undrain, besa audit.
void AddWorkersCommand(CLI::App& app, Context& context);

}  // namespace besa::client
