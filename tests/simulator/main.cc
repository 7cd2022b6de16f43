// besa-simulate: runs scenarios and writes one JSON object a line, for plot.py and for people.
#include <cstdio>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "nlohmann/json.hpp"

#include "server/simulator/simulation.h"
#include "tests/simulator/scenarios.h"

namespace besa::simulator {
namespace {

struct Flags {
  std::string times;
  std::string shape = "70B";
  std::string bandwidth = "cached";
  std::string activations = "walked";
  std::vector<int> workers = {1};
  // "speed:joins:dies" of workers beside those; dies may be left out.
  std::vector<std::string> more;
  bool spans = false;
};

SimulatedWorker ParseWorker(const std::string& text) {
  SimulatedWorker worker;
  double dies = 0;
  const int read = std::sscanf(text.c_str(), "%lf:%lf:%lf", &worker.speed, &worker.joins, &dies);
  if (read < 2) throw CLI::ValidationError("--worker", text + ": give SPEED:JOINS or SPEED:JOINS:DIES");
  if (read == 3) worker.dies = dies;
  return worker;
}

nlohmann::json Describe(const Outcome& outcome, const Flags& flags, int workers) {
  nlohmann::json line = {{"shape", flags.shape},
                         {"bandwidth", flags.bandwidth},
                         {"activations", flags.activations},
                         {"workers", workers},
                         {"seconds", outcome.seconds},
                         {"extra_forwards", outcome.extra_forwards},
                         {"bytes_read", outcome.bytes_read},
                         {"lost_attempts", outcome.lost_attempts},
                         {"lost_seconds", outcome.lost_seconds}};
  if (!flags.spans) return line;
  for (const Span& span : outcome.spans) {
    line["spans"].push_back({{"worker", span.worker},
                             {"block", span.block},
                             {"start", span.start},
                             {"arrived", span.arrived},
                             {"end", span.end},
                             {"lost", span.lost}});
  }
  return line;
}

int Main(int argc, char** argv) {
  Flags flags;
  CLI::App app("Runs the coordinator's scheduler in simulated time.");
  app.add_option("--times", flags.times, "File of measured times (tests/simulator/times.json)")->required();
  app.add_option("--shape", flags.shape)->capture_default_str();
  app.add_option("--bandwidth", flags.bandwidth)->capture_default_str();
  app.add_option("--activations", flags.activations)->check(CLI::IsMember({"walked", "stored"}))->capture_default_str();
  app.add_option("--workers", flags.workers, "Numbers of equal workers, one run each")->delimiter(',');
  app.add_option("--worker", flags.more, "SPEED:JOINS[:DIES] of one more worker. Repeatable")->allow_extra_args(false);
  app.add_flag("--spans", flags.spans, "Add who did what when");
  CLI11_PARSE(app, argc, argv);

  const auto times = ReadTimes(flags.times);
  if (!times.ok()) {
    std::fprintf(stderr, "%s\n", std::string(times.status().message()).c_str());
    return 1;
  }
  if (!times->shapes.contains(flags.shape) || !times->bandwidths.contains(flags.bandwidth)) {
    std::fprintf(stderr, "%s has no shape %s or no bandwidth %s\n", flags.times.c_str(), flags.shape.c_str(),
                 flags.bandwidth.c_str());
    return 1;
  }
  for (const int count : flags.workers) {
    Scenario scenario{.shape = times->shapes.at(flags.shape),
                      .bandwidth = times->bandwidths.at(flags.bandwidth),
                      .activations = flags.activations == "stored" ? v1::ACTIVATIONS_STORED : v1::ACTIVATIONS_WALKED,
                      .workers = EqualWorkers(count),
                      .lease_term = times->lease_term};
    for (const std::string& text : flags.more) scenario.workers.push_back(ParseWorker(text));
    const auto workers = static_cast<int>(scenario.workers.size());
    std::printf("%s\n", Describe(Simulate(scenario), flags, workers).dump().c_str());
  }
  return 0;
}

}  // namespace
}  // namespace besa::simulator

int main(int argc, char** argv) { return besa::simulator::Main(argc, argv); }
