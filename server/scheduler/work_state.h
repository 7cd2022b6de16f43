// What the order of work has to go by, from the rows of a job: who is where, and how fast everybody has been.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/strings/string_view.h"

#include "server/scheduler/context.h"
#include "server/scheduler/order_of_work.h"
#include "server/state/rows.h"

namespace besa::server {

// Of `asker` ("workers/{worker}"), which may hold tasks that need at most `memory_bytes`: other blocks are not free.
// A worker writes the results of one block while it prunes the next: what it leased last is what it prunes, and one
// that asks prunes none.
WorkState ReadWorkState(const JobRows& rows, absl::string_view asker, int64_t memory_bytes, const Context& context);

// By the blocks that the worker has committed in this job; if there are none, by those of all workers; if there are
// none either, the default Pace, in which times count blocks.
Pace PaceOf(const JobRows& rows, absl::string_view worker);

}  // namespace besa::server
