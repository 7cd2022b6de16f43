// Every worker that the service knows, whatever the size of a page.
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "besa/v1/fleet_service.pb.h"
#include "server/scheduler/coordinator.h"

namespace besa::server {

// As ListWorkers shows them, in its order. Errors as ListWorkers.
absl::StatusOr<std::vector<v1::Worker>> AllWorkers(Coordinator& coordinator);

}  // namespace besa::server
