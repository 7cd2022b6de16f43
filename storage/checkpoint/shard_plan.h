// How tensors are spread over files of a limited size.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace besa::storage {

struct ShardItem {
  std::string name;
  int64_t bytes = 0;
};

// What 4 GiB a file leaves for tensors, with room for a header of up to 16 MiB.
inline constexpr int64_t kMaxShardBytes = (int64_t{4} << 30) - (int64_t{16} << 20);

// Indices into `items`, file by file: filled in the given order, a new file when the next tensor would pass
// `max_bytes`. A tensor larger than that gets a file of its own. No items give no files. Deterministic.
std::vector<std::vector<size_t>> PlanShards(const std::vector<ShardItem>& items, int64_t max_bytes = kMaxShardBytes);

}  // namespace besa::storage
