#include "worker/flags.h"

#include "CLI/App.hpp"
#include "CLI/Config.hpp"
#include "CLI/Formatter.hpp"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace besa::worker {

void AddFlags(CLI::App& app, Flags& flags) {
  app.add_option("--coordinator", flags.coordinator, "host:port of the coordinator")
      ->envname("BESA_COORDINATOR")
      ->required();
  app.add_option("--device", flags.device, "cpu or cuda:N; several, like cuda:0,cuda:1, prune every block together")
      ->capture_default_str();
  app.add_option("--ranks", flags.ranks, "processes that prune every block together: on a CPU, or from cuda:N on")
      ->check(CLI::Range(0, 64))
      ->capture_default_str();
  app.add_option("--rank-timeout", flags.rank_timeout, "seconds after which such a process that says nothing is ended")
      ->check(CLI::Range(2, 86400))
      ->capture_default_str();
  // Empty group: not for people.
  app.add_option("--rank", flags.rank)->group("");
  app.add_option("--rank-store", flags.rank_store)->group("");
  app.add_option("--name", flags.name, "name in the fleet, unique; default: host name and device");
  app.add_option("--threads", flags.threads, "CPU threads; 0 means all")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--memory-limit", flags.memory_limit, "device memory to use at most, like 8GiB; default: all")
      ->transform(CLI::AsSizeValue(/*kb_is_1000=*/true));
  app.add_option("--allow", flags.allow, "folder that may be read and written (repeatable)")
      ->required()
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app.add_option("--store-config", flags.store_config, "JSON file with endpoints and credentials of S3 buckets");
  auto* const cache = app.add_option("--cache", flags.cache,
                                     "folder on a local disk that keeps weights and token ids; workers may share it");
  app.add_option("--cache-limit", flags.cache_limit, "bytes to keep there at most, like 200GiB; default: 100GiB")
      ->transform(CLI::AsSizeValue(/*kb_is_1000=*/true))
      ->check(CLI::PositiveNumber)
      ->needs(cache);
  app.add_option("--metrics-listen", flags.metrics_listen,
                 "host:port where /metrics is served; port 0 lets the system choose");
  app.add_option("--log-level", flags.log_level, "trace, debug, info, warn or error")->capture_default_str();
  app.add_option("--log-format", flags.log_format, "text or json")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
}

std::string WorkerName(const Flags& flags, const std::string& host) {
  if (!flags.name.empty()) return absl::StrCat("workers/", flags.name);
  std::string id = absl::AsciiStrToLower(absl::StrCat(host, "-", flags.device));
  for (char& c : id) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c))) c = '-';
  }
  return absl::StrCat("workers/", id);
}

}  // namespace besa::worker
