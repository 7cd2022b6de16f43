// Showing a watch while it runs: bars on a terminal, lines in a log, JSON for programs.
#pragma once

#include <functional>
#include <memory>
#include <ostream>

#include "absl/time/time.h"
#include "besa/v1/prune_service.pb.h"
#include "client/job_watch.h"
#include "storage/base/clock.h"

namespace besa::client {

// Thread-safe: events come from the watch, ticks from a timer.
class WatchDisplay {
 public:
  virtual ~WatchDisplay() = default;
  virtual void OnEvent(const v1::WatchJobResponse& event) = 0;
  virtual void OnOutage(const Outage& outage) = 0;
  // Called about twice a second, so that times move on while nothing happens.
  virtual void Tick() {}
};

// Bars that are redrawn in place, `width()` characters wide. Trouble is told in lines above them.
std::unique_ptr<WatchDisplay> MakeBarsDisplay(std::ostream& out, std::function<int()> width, const Clock& clock);

// One line a change, a line of progress at most every `progress_interval`, and a line that says why nothing happens
// once that has lasted: between two tasks every job waits for a moment.
std::unique_ptr<WatchDisplay> MakeLinesDisplay(std::ostream& out, const Clock& clock,
                                               absl::Duration progress_interval = absl::Seconds(5));

// Every event as one line of JSON on `out`; trouble with the connection on `err`.
std::unique_ptr<WatchDisplay> MakeJsonDisplay(std::ostream& out, std::ostream& err);

}  // namespace besa::client
