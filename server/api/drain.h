// The end of serving: calls that wait are told, so that their callers go on with another coordinator.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

namespace besa::server {

// A call that waits without a thread.
class WaitingCall {
 public:
  virtual ~WaitingCall() = default;
  // Look again. From any thread; must not block.
  virtual void Wake() = 0;
};

// Thread-safe.
class Drain {
 public:
  // Will be woken when draining starts, if it still lives then.
  void Add(std::weak_ptr<WaitingCall> call);
  // Wakes every call; from now on those that begin are told at once.
  void Start();
  bool started() const;

 private:
  mutable std::mutex mutex_;
  bool started_ = false;
  std::vector<std::weak_ptr<WaitingCall>> calls_;
  size_t purge_at_ = 64;
};

}  // namespace besa::server
