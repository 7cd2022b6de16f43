// Which task of a job a worker gets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "server/scheduler/context.h"
#include "server/state/rows.h"

namespace besa::server {

// What decides it: who asks ("workers/{worker}"), its memory, and the block whose input activations it holds, if any of
// this job.
struct Taker {
  int64_t memory_bytes = 0;
  std::optional<int32_t> cursor;
  std::string worker;
  // Of SCHEDULE_INDEPENDENT, at once.
  int32_t most_blocks = 1;
};

// The index of the task, nullopt if none is PENDING that fits, or if all that are left are blocks which those at work
// on others will have pruned sooner. By preference:
//   1. prepare, without which nothing else starts,
//   2. sweeps, for which the blocks wait,
//   3. passthrough, which needs no device: it is copied beside the first block, while at the end all would wait,
//   4. blocks, as order_of_work.h says,
//   5. the evaluations, so that the fleet finishes the blocks first.
std::optional<size_t> PickTask(const JobRows& rows, const Taker& taker, const Context& context);

// Whether a worker that can take several may have `next` beside `before`: blocks of SCHEDULE_INDEPENDENT, one right
// behind the other.
bool MayGoWith(const JobRows& rows, const v1::Task& before, const v1::Task& next);

// What the worker gets beside `first`, which PickTask gave: blocks right behind it that are PENDING and fit, up to its
// most_blocks, but no more than its share of all that are left if other workers have nothing to do.
std::vector<size_t> PickFurther(const JobRows& rows, size_t first, const Taker& taker, const Context& context);

}  // namespace besa::server
