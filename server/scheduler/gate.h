// Gates: figures without which a job must not be published.
#pragma once

#include <optional>

#include "besa/v1/job.pb.h"

#include "server/scheduler/context.h"

namespace besa::server {

// The failure of a job whose evaluations are committed and did not pass their gates (EvaluationSpec.max_perplexity and
// max_ratio), naming each text, figure and limit; nullopt if all did. A figure that is missing passes no gate. Pure:
// the same rows fail again.
std::optional<v1::JobError> FailedGates(const JobRows& rows);

// Takes the gates out of the spec.
void RemoveGates(v1::JobSpec& spec);

}  // namespace besa::server
