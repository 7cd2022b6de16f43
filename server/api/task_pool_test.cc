#include "server/api/task_pool.h"

#include <future>
#include <memory>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace besa::server {
namespace {

using ::testing::ElementsAre;

TEST(TaskPoolTest, RunsTasksInTheOrderOfTheirTime) {
  TaskPool pool(1);
  std::vector<int> order;
  std::promise<void> done;
  pool.PostAfter(absl::Milliseconds(40), [&] {
    order.push_back(3);
    done.set_value();
  });
  pool.PostAfter(absl::Milliseconds(20), [&] { order.push_back(2); });
  pool.Post([&] { order.push_back(1); });
  done.get_future().get();
  EXPECT_THAT(order, ElementsAre(1, 2, 3));
}

TEST(TaskPoolTest, RunsAsManyAtOnceAsItHasThreads) {
  TaskPool pool(2);
  std::promise<void> first;
  std::promise<void> second;
  // Each waits for the other: with one thread this would never end.
  pool.Post([&] {
    first.set_value();
    second.get_future().get();
  });
  std::promise<void> done;
  pool.Post([&] {
    first.get_future().get();
    second.set_value();
    done.set_value();
  });
  done.get_future().get();
}

// A call that ends lets go of its subscription, which waits for a callback that posts.
TEST(TaskPoolTest, WhatATaskOwnedMayPostWhileItEnds) {
  std::promise<void> done;
  TaskPool pool(1);
  struct Owned {
    ~Owned() {
      pool.Post([this_done = &done] { this_done->set_value(); });
    }
    TaskPool& pool;
    std::promise<void>& done;
  };
  // Made in place: no copy of the task outlives it here.
  pool.Post([owned = std::shared_ptr<Owned>(new Owned{pool, done})] {});
  done.get_future().get();
}

TEST(TaskPoolTest, DropsWhatHasNotBegun) {
  bool ran = false;
  {
    TaskPool(1).PostAfter(absl::Hours(1), [&] { ran = true; });
  }
  EXPECT_FALSE(ran);
}

}  // namespace
}  // namespace besa::server
