// Notices what stopped moving: leases, workers and publishers that were not heard of for a term, leases that beat and
// report no progress; calls of completion hooks that never came back; and jobs whose deadline has passed.
//
// It never compares wall clocks. Every lease has a beat counter that heartbeats count up; the housekeeper remembers
// when, on its own steady clock, it first saw the present count, and ends the lease when that is a term ago. So a jump
// of the wall clock ends nothing, and after a restart or a takeover of a coordinator every lease has a fresh term.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"

#include "server/scheduler/coordinator.h"
#include "server/state/state_store.h"
#include "storage/base/clock.h"

namespace besa::server {

// Not thread-safe: one timer calls Tick.
class Housekeeper {
 public:
  // All must outlive the housekeeper.
  Housekeeper(Coordinator& coordinator, StateStore& store, const Clock& clock)
      : coordinator_(coordinator), store_(store), clock_(clock) {}

  // One round; call it every second or so. It goes on past errors and returns the first.
  absl::Status Tick();

 private:
  struct Seen {
    int64_t count = 0;
    absl::Duration since;
    uint64_t round = 0;
  };

  absl::Status CheckLeases();
  absl::Status CheckClaims();
  absl::Status CheckHookClaims();
  absl::Status CheckWorkers();
  // Whether `key` has shown the same count for `term`.
  bool StoodStill(const std::string& key, int64_t count, absl::Duration term);

  Coordinator& coordinator_;
  StateStore& store_;
  const Clock& clock_;
  std::map<std::string, Seen> seen_;
  uint64_t round_ = 0;
  std::optional<absl::Duration> refreshed_;
};

}  // namespace besa::server
