// A group of ranks in the threads of a test.
#pragma once

#include <functional>

#include "worker/pruner/rank_group.h"

namespace besa::pruner {

// Runs `body` once a rank, each in a thread with a process group of its own over Gloo, and waits for all. For a size of
// 1: in this thread, alone.
void OnRanks(int size, const std::function<void(RankGroup&)>& body);

}  // namespace besa::pruner
