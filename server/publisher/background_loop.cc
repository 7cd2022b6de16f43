#include "server/publisher/background_loop.h"

#include <utility>

namespace besa::server {

BackgroundLoop::BackgroundLoop(Round round) : round_(std::move(round)), thread_([this] { Run(); }) {}

BackgroundLoop::~BackgroundLoop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void BackgroundLoop::Wake() {
  {
    const std::lock_guard lock(mutex_);
    woken_ = true;
  }
  changed_.notify_all();
}

void BackgroundLoop::Run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    woken_ = false;
    lock.unlock();
    const absl::Duration pause = round_();
    lock.lock();
    changed_.wait_for(lock, absl::ToChronoNanoseconds(pause), [this] { return woken_ || stopping_; });
  }
}

}  // namespace besa::server
