// An attempt that writes its files and commits, beside whatever else the worker does.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "worker/agent/attempt.h"

namespace besa::worker {

// One thread. The destructor waits for the attempt's end.
class FinishingAttempt {
 public:
  // `attempt` has been computed.
  explicit FinishingAttempt(std::unique_ptr<Attempt> attempt)
      : lease_id_(attempt->lease_id()), attempt_(std::move(attempt)), thread_([this] {
          attempt_->Finish();
          attempt_.reset();
          done_ = true;
        }) {}

  const std::string& lease_id() const { return lease_id_; }
  // The lease has ended.
  bool done() const { return done_; }

 private:
  const std::string lease_id_;
  std::unique_ptr<Attempt> attempt_;
  std::atomic<bool> done_ = false;
  // Last, so that it ends first.
  std::jthread thread_;
};

}  // namespace besa::worker
