#include "server/publisher/weight_index.h"

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

namespace besa::server {

absl::StatusOr<std::string> FormatWeightIndex(const std::map<std::string, storage::SafetensorsHeader>& files) {
  int64_t total = 0;
  nlohmann::json weight_map = nlohmann::json::object();
  for (const auto& [file, header] : files) {
    for (const auto& [tensor, entry] : header.tensors) {
      if (!weight_map.emplace(tensor, file).second) {
        return absl::InternalError(
            absl::StrCat("tensor ", tensor, " lies in ", std::string(weight_map[tensor]), " and in ", file));
      }
      total += entry.size;
    }
  }
  const nlohmann::json index = {{"metadata", {{"total_size", total}}}, {"weight_map", std::move(weight_map)}};
  return index.dump(2) + "\n";
}

}  // namespace besa::server
