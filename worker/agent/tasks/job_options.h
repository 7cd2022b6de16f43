// A job's spec in the pruner's terms.
#pragma once

#include <optional>

#include "besa/v1/job.pb.h"
#include "worker/pruner/pruner.h"

namespace besa::worker {

// Fields at 0 stay 0: the preset's value.
pruner::BesaOptions BesaOptionsOf(const v1::JobSpec& spec);

// Unset: the engine's choice for its device.
std::optional<pruner::ComputeType> ComputeTypeOf(const v1::JobSpec& spec);

}  // namespace besa::worker
