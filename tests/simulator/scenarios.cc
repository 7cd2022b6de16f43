#include "tests/simulator/scenarios.h"

#include <fstream>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

namespace besa::simulator {

absl::StatusOr<Times> ReadTimes(const std::string& path) {
  std::ifstream file(path);
  if (!file) return absl::NotFoundError(absl::StrCat(path, ": cannot be opened"));
  try {
    const auto json = nlohmann::json::parse(file);
    Times times;
    for (const auto& [name, shape] : json.at("shapes").items()) {
      times.shapes[name] = {.name = name,
                            .blocks = shape.at("blocks"),
                            .block_seconds = shape.at("block_seconds"),
                            .forward_seconds = shape.at("forward_seconds"),
                            .block_bytes = shape.at("block_bytes"),
                            .boundary_bytes = shape.at("boundary_bytes")};
    }
    for (const auto& [name, bandwidth] : json.at("bandwidths").items()) {
      times.bandwidths[name] = {.weights_per_second = bandwidth.at("weights_per_second"),
                                .store_per_second = bandwidth.at("store_per_second")};
    }
    times.lease_term = json.at("lease_term");
    return times;
  } catch (const nlohmann::json::exception& error) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": ", error.what()));
  }
}

}  // namespace besa::simulator
