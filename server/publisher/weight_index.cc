#include "server/publisher/weight_index.h"

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "storage/checkpoint/index_file.h"

namespace besa::server {

absl::StatusOr<std::string> FormatWeightIndex(const std::map<std::string, storage::SafetensorsHeader>& files) {
  int64_t total = 0;
  storage::WeightMap weight_map;
  for (const auto& [file, header] : files) {
    for (const auto& [tensor, entry] : header.tensors) {
      const auto [known, added] = weight_map.emplace(tensor, file);
      if (!added) {
        return absl::InternalError(absl::StrCat("tensor ", tensor, " lies in ", known->second, " and in ", file));
      }
      total += entry.size;
    }
  }
  return storage::FormatIndexFile(weight_map, total);
}

}  // namespace besa::server
