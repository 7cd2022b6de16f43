#include "server/program/flags.h"

#include "CLI/CLI.hpp"

namespace besa::server {
namespace {

void AddDuration(CLI::App& app, const std::string& name, absl::Duration& value, const std::string& help) {
  const auto parse = [&value, name](const std::string& text) {
    absl::Duration parsed;
    if (!absl::ParseDuration(text, &parsed) || parsed <= absl::ZeroDuration() || parsed == absl::InfiniteDuration()) {
      throw CLI::ValidationError(name, text + " is not valid; expected a duration such as 30s, 500ms or 2m");
    }
    value = parsed;
  };
  app.add_option_function<std::string>(name, parse, help)
      ->type_name("DURATION")
      ->default_str(absl::FormatDuration(value));
}

}  // namespace

void AddFlags(CLI::App& app, Flags& flags) {
  app.set_version_flag("--version", "besa-coordinator " BESA_VERSION);
  app.add_option("--listen", flags.listen, "address to listen on; port 0 lets the system choose")
      ->type_name("HOST:PORT")
      ->capture_default_str();
  app.add_option(
         "--state", flags.state,
         "where all state is: a SQLite file, created if missing, for one coordinator; or a PostgreSQL database, "
         "postgresql://user@host/database, for any number")
      ->type_name("PATH|URL")
      ->required();
  app.add_option("--workspace", flags.workspace,
                 "folder for work in progress, reached by workers under the same address")
      ->type_name("URI")
      ->required();
  app.add_option("--allow", flags.allow, "folder that jobs may read from and write to; may be repeated")
      ->type_name("PREFIX")
      ->required()
      ->take_all();
  app.add_option("--store-config", flags.store_config, "JSON file with endpoints and credentials of S3 buckets")
      ->type_name("PATH");
  AddDuration(app, "--lease-term", flags.lease_term, "a task whose worker is silent for this long is given to another");
  AddDuration(app, "--heartbeat-interval", flags.heartbeat_interval, "how often workers report");
  AddDuration(app, "--progress-term", flags.progress_term,
              "a task whose worker reports no progress for this long is given to another");
  AddDuration(app, "--keep-failed", flags.keep_failed, "how long the files of a failed job are kept for a retry");
  AddDuration(app, "--sweep-interval", flags.sweep_interval,
              "how often the workspace is searched for what nobody owns any more");
  app.add_option("--max-attempts", flags.max_attempts, "failed attempts of a task until its job fails")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("--worker-bandwidth", flags.worker_bytes_per_second,
                 "bytes that a worker moves to or from the store in a second, by which jobs choose how workers come by "
                 "activations")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--allow-hook", flags.allow_hook,
                 "http:// or https:// address within which the completion hooks of jobs may lie; may be repeated")
      ->type_name("PREFIX")
      ->take_all();
  app.add_option("--hook-secret-file", flags.hook_secret_file,
                 "file with the secret that completion hooks are signed with: whsec_ and the base64 of 24 to 64 bytes")
      ->type_name("PATH");
  AddDuration(app, "--hook-patience", flags.hook_patience,
              "how long after the end of a job its completion hook is tried again");
  app.add_option("--metrics-listen", flags.metrics_listen,
                 "address where /metrics is served; port 0 lets the system choose")
      ->type_name("HOST:PORT");
  app.add_option("--log-level", flags.log_level)
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}))
      ->capture_default_str();
  app.add_option("--log-format", flags.log_format)->check(CLI::IsMember({"text", "json"}))->capture_default_str();
  app.callback([&flags] {
    if (flags.lease_term < 2 * flags.heartbeat_interval) {
      throw CLI::ValidationError("--lease-term", absl::FormatDuration(flags.lease_term) +
                                                     " is not valid; expected at least twice --heartbeat-interval (" +
                                                     absl::FormatDuration(flags.heartbeat_interval) + ")");
    }
    if (!flags.allow_hook.empty() && flags.hook_secret_file.empty()) {
      throw CLI::ValidationError("--allow-hook", "needs --hook-secret-file: completion hooks are always signed");
    }
  });
}

}  // namespace besa::server
