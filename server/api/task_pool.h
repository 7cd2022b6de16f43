// Threads that run what may block: the database, the object store.
//
// gRPC's own threads only hand calls over to a pool and write answers, so a slow disk never keeps them from taking in
// new calls.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "absl/time/time.h"

namespace besa::server {

// Thread-safe. The destructor waits for what runs and drops what has not begun.
class TaskPool {
 public:
  using Task = std::function<void()>;

  explicit TaskPool(int threads);
  ~TaskPool();
  TaskPool(const TaskPool&) = delete;
  TaskPool& operator=(const TaskPool&) = delete;

  // Tasks begin in the order they were posted.
  void Post(Task task);
  void PostAfter(absl::Duration delay, Task task);

 private:
  using Instant = std::chrono::steady_clock::time_point;

  void Run();
  void MoveDue();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Task> ready_;
  std::multimap<Instant, Task> delayed_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace besa::server
