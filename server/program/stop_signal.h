// SIGTERM and SIGINT as something to wait for.
#pragma once

namespace besa::server {

// Made before any other thread, so that none is interrupted: the signals are held back from then on.
class StopSignal {
 public:
  StopSignal();

  // Waits for one of them and returns its name. A second one ends the program at once, as if nobody had asked.
  const char* Wait();
};

}  // namespace besa::server
