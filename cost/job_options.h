// A job's spec as the options of the method.
#pragma once

#include <optional>

#include "besa/v1/job.pb.h"
#include "cost/pruning_options.h"

namespace besa::cost {

// Fields at 0 stay 0: the preset's value.
BesaOptions BesaOptionsOf(const v1::JobSpec& spec);

// Unset: the choice for the device, see pruning_options.h.
std::optional<ComputeType> ComputeTypeOf(const v1::JobSpec& spec);

}  // namespace besa::cost
