// Values of labels: few, whatever a worker or a client sends.
#pragma once

#include <string>

#include "besa/v1/fleet_service.pb.h"
#include "besa/v1/job.pb.h"
#include "besa/v1/task.pb.h"

namespace besa::server {

// "PRUNING", "LEASED", "IDLE", "PRUNE", "COMMITTED", "OUT_OF_MEMORY". NONE for no reason at all.
std::string StateLabel(v1::JobState state);
std::string StateLabel(v1::TaskState state);
std::string StateLabel(v1::WorkerState state);
std::string KindLabel(v1::TaskKind kind);
std::string OutcomeLabel(v1::AttemptOutcome outcome);
std::string ReasonLabel(v1::FailureReason reason);

}  // namespace besa::server
