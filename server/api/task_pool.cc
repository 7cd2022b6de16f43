#include "server/api/task_pool.h"

#include <utility>

namespace besa::server {

TaskPool::TaskPool(int threads) {
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { Run(); });
}

TaskPool::~TaskPool() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void TaskPool::Post(Task task) {
  {
    const std::lock_guard lock(mutex_);
    ready_.push_back(std::move(task));
  }
  changed_.notify_one();
}

void TaskPool::PostAfter(absl::Duration delay, Task task) {
  {
    const std::lock_guard lock(mutex_);
    delayed_.emplace(std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(delay), std::move(task));
  }
  // Whoever sleeps must learn of a nearer deadline.
  changed_.notify_one();
}

void TaskPool::MoveDue() {
  const Instant now = std::chrono::steady_clock::now();
  while (!delayed_.empty() && delayed_.begin()->first <= now) {
    ready_.push_back(std::move(delayed_.begin()->second));
    delayed_.erase(delayed_.begin());
  }
}

void TaskPool::Run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    MoveDue();
    if (!ready_.empty()) {
      Task task = std::move(ready_.front());
      ready_.pop_front();
      // One wake-up may have stood for several tasks that fell due together.
      if (!ready_.empty()) changed_.notify_one();
      lock.unlock();
      task();
      // What it owns goes here and not under the lock: an end of its own may wait for somebody who is about to post.
      task = nullptr;
      lock.lock();
    } else if (delayed_.empty()) {
      changed_.wait(lock);
    } else {
      // A copy: the entry may be gone before the wait ends.
      const Instant next = delayed_.begin()->first;
      changed_.wait_until(lock, next);
    }
  }
}

}  // namespace besa::server
