#include "telemetry/process_metrics.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <system_error>

#include "telemetry/sample.h"

namespace besa {
namespace {

// Fields of /proc/self/stat, numbered as in proc(5).
constexpr int kUserTicks = 14;
constexpr int kSystemTicks = 15;
constexpr int kStartTicks = 22;
constexpr int kResidentPages = 24;

// The fields from the third on: the second is the program's name in parentheses and may hold anything.
std::vector<double> StatFields() {
  std::ifstream file("/proc/self/stat");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  std::istringstream rest(text.substr(std::min(text.size(), text.rfind(')') + 1)));
  // 0 to 3: nothing, the id, the name and the state, which are no numbers or of no use.
  std::vector<double> fields(4, 0.0);
  std::string state;
  rest >> state;
  for (double value = 0; rest >> value;) fields.push_back(value);
  fields.resize(64, 0.0);
  return fields;
}

double BootTime() {
  std::ifstream file("/proc/stat");
  for (std::string word; file >> word;) {
    double seconds = 0;
    if (word == "btime" && file >> seconds) return seconds;
  }
  return 0;
}

double OpenFiles() {
  std::error_code error;
  const std::filesystem::directory_iterator files("/proc/self/fd", error);
  return error ? 0.0 : static_cast<double>(std::distance(begin(files), end(files)));
}

}  // namespace

std::vector<prometheus::MetricFamily> ProcessMetrics::Collect() const {
  const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  static const double started = BootTime() + StatFields()[kStartTicks] / ticks;
  const std::vector<double> fields = StatFields();
  const auto page = static_cast<double>(sysconf(_SC_PAGESIZE));
  return {
      CounterFamily("process_cpu_seconds_total", "User and system CPU time spent.",
                    {{{}, (fields[kUserTicks] + fields[kSystemTicks]) / ticks}}),
      GaugeFamily("process_resident_memory_bytes", "Resident memory size.", {{{}, fields[kResidentPages] * page}}),
      GaugeFamily("process_open_fds", "Number of open file descriptors.", {{{}, OpenFiles()}}),
      GaugeFamily("process_start_time_seconds", "Start of the process since the epoch.", {{{}, started}}),
  };
}

}  // namespace besa
