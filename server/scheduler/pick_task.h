// Which task of a job a worker gets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "server/scheduler/context.h"
#include "server/state/rows.h"

namespace besa::server {

// What decides it: who asks ("workers/{worker}"), its memory, and the block whose input activations it holds, if any of
// this job.
struct Taker {
  int64_t memory_bytes = 0;
  std::optional<int32_t> cursor;
  std::string worker;
};

// The index of the task, nullopt if none is PENDING that fits, or if all that are left are blocks which those at work
// on others will have pruned sooner. By preference:
//   1. prepare, without which nothing else starts,
//   2. sweeps, for which the blocks wait,
//   3. blocks, as order_of_work.h says,
//   4. passthrough, 5. the evaluations, so that the fleet finishes the blocks first.
std::optional<size_t> PickTask(const JobRows& rows, const Taker& taker, const Context& context);

}  // namespace besa::server
