// The coordinator's hand that calls completion hooks: claims one delivery after the other, makes it, and reports how it
// went. When to try again and when to give up is the scheduler's to say (hook_delivery.h).
#pragma once

#include <string>

#include "absl/time/time.h"
#include "server/hooks/endpoints.h"
#include "server/hooks/http_post.h"
#include "server/hooks/signer.h"
#include "server/scheduler/coordinator.h"
#include "storage/base/clock.h"
#include "storage/base/random.h"

namespace besa::server {

// Thread-safe: several threads may call RunOnce, each makes another delivery.
class Courier {
 public:
  struct Options {
    // Fresh for each start of the process.
    std::string id;
    // "besa/0.1.0", for the User-Agent.
    std::string agent;
    // What may be called, looked at again before each call: a job may be older than the service's settings.
    Endpoints endpoints;
    // Has a secret if any endpoint is allowed.
    Signer signer;
  };

  // `random` draws jitter. All references must outlive the courier.
  Courier(Coordinator& coordinator, HttpPost post, const Clock& clock, RandomBits random, Options options);

  // Makes the delivery that has been due for longest, if there is one. Returns how long to wait before the next call:
  // nothing while there may be more to do.
  absl::Duration RunOnce();

 private:
  // OK: the endpoint has answered with success. FAILED_PRECONDITION: it never will.
  absl::Status Deliver(const HookClaim& claim);

  Coordinator& coordinator_;
  const HttpPost post_;
  const Clock& clock_;
  const RandomBits random_;
  const Options options_;
};

}  // namespace besa::server
