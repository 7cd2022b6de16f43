// Ranks on CPUs: c10d's process group over Gloo.
#pragma once

#include <memory>

#include "worker/pruner/rank_group.h"

namespace besa::pruner {

// Throws c10::Error or std::exception if the others do not come.
std::unique_ptr<RankGroup> JoinGloo(const RankOptions& options);

}  // namespace besa::pruner
