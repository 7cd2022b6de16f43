#include "storage/checkpoint/index_file.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "nlohmann/json.hpp"
#include "storage/base/error_info.h"
#include "storage/base/status_macros.h"
#include "storage/base/utf8.h"
#include "storage/checkpoint/json_document.h"

namespace besa::storage {

absl::StatusOr<WeightMap> ParseIndexFile(absl::string_view json) {
  ASSIGN_OR_RETURN(const nlohmann::json index, ParseJsonObject(json, kIndexFileName));
  const auto found = index.find("weight_map");
  if (found == index.end() || !found->is_object() || found->empty()) {
    return FieldError("weight_map", found == index.end() ? "" : QuoteValue(*found), "an object from tensors to files");
  }
  WeightMap weight_map;
  for (const auto& [tensor, file] : found->items()) {
    // A plain name: an index must not lead out of its folder.
    if (!file.is_string() || !absl::EndsWith(file.get_ref<const std::string&>(), ".safetensors") ||
        absl::StrContains(file.get_ref<const std::string&>(), "/")) {
      return FieldError(absl::StrCat("weight_map[\"", Printable(tensor), "\"]"), QuoteValue(file),
                        "the name of a .safetensors file in the same folder");
    }
    weight_map[tensor] = file.get<std::string>();
  }
  return weight_map;
}

std::string FormatIndexFile(const WeightMap& weight_map, int64_t total_size) {
  const nlohmann::json index = {{"metadata", {{"total_size", total_size}}}, {"weight_map", weight_map}};
  return index.dump(2, ' ', /*ensure_ascii=*/true) + "\n";
}

std::string ShardFileName(int64_t number, int64_t shards) {
  return absl::StrFormat("model-%05d-of-%05d.safetensors", number, shards);
}

}  // namespace besa::storage
