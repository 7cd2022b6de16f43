// model.safetensors.index.json: which file of a sharded checkpoint holds which tensor.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace besa::storage {

inline constexpr char kIndexFileName[] = "model.safetensors.index.json";
inline constexpr char kSingleFileName[] = "model.safetensors";

// From the name of a tensor to the name of its file.
using WeightMap = std::map<std::string, std::string>;

// Reads the weight map. INVALID_ARGUMENT for text that is not such JSON, an empty map, and files that are not plain
// names ending in .safetensors.
absl::StatusOr<WeightMap> ParseIndexFile(absl::string_view json);

// What the file holds, byte by byte as Hugging Face writes it: indented by two, sorted, a line break at the end.
// `total_size` is the sum of the tensors' bytes. Names must be UTF-8.
std::string FormatIndexFile(const WeightMap& weight_map, int64_t total_size);

// "model-00003-of-00012.safetensors"; `number` counts from 1.
std::string ShardFileName(int64_t number, int64_t shards);

}  // namespace besa::storage
