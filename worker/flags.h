// The command line of besa-worker.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace besa::worker {

struct Flags {
  // "host:port". Environment: BESA_COORDINATOR.
  std::string coordinator;
  // "cpu" or "cuda:N", or several: "cuda:0,cuda:1". Never fallen back from.
  std::string device = "cpu";
  // Processes that prune every block together; 0: one a device. See worker/ranks/devices.h.
  int ranks = 0;
  // Seconds after which a rank that says nothing is given up.
  int rank_timeout = 30;
  // Of a rank's own process, for which its parent sets them: its number, and the file that the ranks meet in.
  int rank = -1;
  std::string rank_store;
  // Unique in the fleet, without "workers/". Empty: host name and device.
  std::string name;
  // CPU threads; 0 means all.
  int threads = 0;
  // Bytes of device memory to use at most; 0 means what the device has.
  uint64_t memory_limit = 0;
  // Folders that may be read and written; nothing outside them is touched.
  std::vector<std::string> allow;
  // File that says where buckets lie; empty: what the environment says holds for all.
  std::string store_config;
  // Folder that keeps weights and token ids that were read; empty: nothing is kept.
  std::string cache;
  uint64_t cache_limit = uint64_t{100} << 30;
  // "host:port" where Prometheus finds the metrics; empty: nowhere.
  std::string metrics_listen;
  // "trace", "debug", "info", "warn", "error".
  std::string log_level = "info";
  // "text" or "json".
  std::string log_format = "text";
};

// Declares the flags; parsing fills in `flags`, which must outlive `app`.
void AddFlags(CLI::App& app, Flags& flags);

// "workers/{worker}" of these flags: lower-case letters, digits and dashes.
std::string WorkerName(const Flags& flags, const std::string& host);

}  // namespace besa::worker
