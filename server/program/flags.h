// The command line of besa-coordinator.
#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"

namespace CLI {
class App;
}

namespace besa::server {

struct Flags {
  // "host:port"; port 0 lets the system choose.
  std::string listen = "127.0.0.1:7600";
  // Where the state is: a SQLite file, or "postgresql://...".
  std::string state;
  // Folder for the workspaces of jobs, which workers reach too.
  std::string workspace;
  // Folders that requests may name.
  std::vector<std::string> allow;
  // File that says where buckets lie; empty: what the environment says holds for all.
  std::string store_config;
  absl::Duration lease_term = absl::Seconds(30);
  absl::Duration heartbeat_interval = absl::Seconds(5);
  absl::Duration progress_term = absl::Minutes(30);
  absl::Duration keep_failed = absl::Hours(14 * 24);
  absl::Duration sweep_interval = absl::Hours(1);
  int max_attempts = 5;
  // Endpoints that completion hooks may have; whose secrets sign what they are sent; how long to go on trying.
  std::vector<std::string> allow_hook;
  std::string hook_secret_file;
  absl::Duration hook_patience = absl::Hours(24);
  double worker_bytes_per_second = 3e9;
  // "host:port" where Prometheus finds the metrics; empty: nowhere.
  std::string metrics_listen;
  // "debug", "info", "warning", "error".
  std::string log_level = "info";
  // "text" or "json".
  std::string log_format = "text";
};

// Declares the flags; parsing fills in `flags`, which must outlive `app`, and refuses values that cannot be used.
void AddFlags(CLI::App& app, Flags& flags);

}  // namespace besa::server
