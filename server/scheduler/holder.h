// Whether a call of a worker comes from the holder of a lease.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "besa/v1/worker_service.pb.h"

#include "server/state/rows.h"

namespace besa::server {

// Who calls, under which lease.
struct Holder {
  std::string worker;
  std::string incarnation;
  v1::Lease lease;
};

// A lease that expired still belongs to its holder until somebody else takes the task.
bool Holds(const TaskRow& task, const Holder& holder);

// ABORTED with reason LEASE_LOST.
absl::Status LeaseLost(const Holder& holder);

}  // namespace besa::server
