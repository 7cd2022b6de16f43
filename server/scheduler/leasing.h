// A worker asks for work; a worker turns out to have been started anew.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "besa/v1/worker_service.pb.h"

#include "server/scheduler/context.h"
#include "server/scheduler/pick_task.h"

namespace besa::server {

// A wish for work, as far as it concerns one job.
struct LeaseAsked {
  std::string worker;
  std::string incarnation;
  std::string request_id;
  std::vector<std::string> held_leases;
  Taker taker;
  // "cuda:0".
  std::string device;
  // The worker gets nothing new, only what it holds already.
  bool draining = false;
};

// The assignments, if the job has something for the worker: one, or, for a worker that can take several, blocks one
// right behind the other. A grant whose answer was lost, that is a lease of this very process with the same request id
// or missing from held_leases, is handed out again and is no new attempt; if the job was stopped meanwhile it ends
// instead, since nobody works on it.
Decision<std::vector<v1::Assignment>> OnLeaseAsked(JobRows rows, const LeaseAsked& asked, const Context& context);

// The process `incarnation` took the place of an earlier one of the same worker: leases of the earlier one end at once,
// counted as crashed.
Decision<Done> OnWorkerRestarted(JobRows rows, absl::string_view worker, absl::string_view incarnation,
                                 const Context& context);

}  // namespace besa::server
