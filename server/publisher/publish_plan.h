// What a published folder consists of, decided from the committed results alone.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "besa/v1/task.pb.h"
#include "storage/object/uri.h"

namespace besa::server {

inline constexpr char kIndexName[] = "model.safetensors.index.json";
inline constexpr char kRunRecordName[] = "besa_run.json";
inline constexpr char kManifestName[] = "besa_manifest.json";

// A file of weights: where the winning attempt left it, and its name in the output.
struct ShardCopy {
  storage::Uri from;
  // "model-00001-of-00007.safetensors".
  std::string name;
  // Bytes, as committed.
  int64_t size = 0;
  // As committed.
  std::string sha256;
};

// The files of weights in the order of their names: first what lies outside the blocks, then the blocks in order, the
// files of one task by path. INTERNAL if a result is missing, which the scheduler rules out. Pure.
absl::StatusOr<std::vector<ShardCopy>> PlanShards(const std::vector<v1::Task>& tasks);

}  // namespace besa::server
