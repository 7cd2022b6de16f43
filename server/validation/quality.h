// What `quality` stands for, and recovery's own options.
#pragma once

#include "absl/status/status.h"
#include "besa/v1/job.pb.h"

namespace besa::server {

// Fills in what `method.quality` decides wherever it was left unset: schedule and recovery. docs/method.md has what
// each costs and gives. Refused with PRESET_PAPER, which is what was published. Pure.
absl::Status ResolveQuality(v1::MethodSpec& method);

// Checks `method.recovery` and fills in what was left at 0: 4 passes, a learning rate of 0.001, 4 samples a step. Pure.
absl::Status ResolveRecovery(v1::MethodSpec& method);

}  // namespace besa::server
