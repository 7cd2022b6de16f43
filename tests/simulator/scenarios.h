// The file of measured times (times.json): shapes and bandwidths by name.
#pragma once

#include <map>
#include <string>

#include "absl/status/statusor.h"

#include "server/simulator/simulation.h"

namespace besa::simulator {

struct Times {
  std::map<std::string, Shape> shapes;
  std::map<std::string, Bandwidth> bandwidths;
  double lease_term = 30.0;
};

// INVALID_ARGUMENT naming the member that is missing or of the wrong kind.
absl::StatusOr<Times> ReadTimes(const std::string& path);

}  // namespace besa::simulator
