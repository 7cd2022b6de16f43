// Which task of a job a worker gets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "server/state/rows.h"

namespace besa::server {

// What decides it: the worker's memory, and the block whose input activations it holds, if any of this job.
struct Taker {
  int64_t memory_bytes = 0;
  std::optional<int32_t> cursor;
};

// The index of the task, nullopt if none is PENDING that fits. By preference:
//   1. prepare, without which nothing else starts,
//   2. blocks: the lowest at or after the cursor, as the worker can walk there forward; else the lowest,
//   3. passthrough, 4. the evaluations, so that the fleet finishes the blocks first.
std::optional<size_t> PickTask(const std::vector<TaskRow>& tasks, const Taker& taker);

}  // namespace besa::server
