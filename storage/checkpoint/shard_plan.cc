#include "storage/checkpoint/shard_plan.h"

namespace besa::storage {

std::vector<std::vector<size_t>> PlanShards(const std::vector<ShardItem>& items, int64_t max_bytes) {
  std::vector<std::vector<size_t>> shards;
  int64_t room = 0;
  for (size_t i = 0; i < items.size(); ++i) {
    if (shards.empty() || items[i].bytes > room) {
      shards.emplace_back();
      room = max_bytes;
    }
    shards.back().push_back(i);
    room -= items[i].bytes;
  }
  return shards;
}

}  // namespace besa::storage
