#include "server/scheduler/change_notifier.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>
#include <optional>
#include <thread>

namespace besa::server {
namespace {

TEST(ChangeNotifier, WakesThoseWhoWaitForThatJobOnly) {
  ChangeNotifier notifier;
  int one = 0;
  int other = 0;
  const auto a = notifier.OnJob("one", [&] { ++one; });
  const auto b = notifier.OnJob("other", [&] { ++other; });
  notifier.JobChanged("one");
  notifier.JobChanged("one");
  notifier.JobChanged("nobody-waits-for-this");
  EXPECT_EQ(one, 2);
  EXPECT_EQ(other, 0);
}

TEST(ChangeNotifier, ADroppedSubscriptionIsNotCalledAnyMore) {
  ChangeNotifier notifier;
  int calls = 0;
  {
    ChangeNotifier::Subscription subscription = notifier.OnWork([&] { ++calls; });
    notifier.WorkAppeared();
    const ChangeNotifier::Subscription moved = std::move(subscription);
    notifier.WorkAppeared();
  }
  notifier.WorkAppeared();
  EXPECT_EQ(calls, 2);
}

TEST(ChangeNotifier, ACallbackMayDropItself) {
  ChangeNotifier notifier;
  int calls = 0;
  std::optional<ChangeNotifier::Subscription> subscription;
  subscription = notifier.OnPublishing([&] {
    ++calls;
    subscription.reset();
  });
  notifier.PublishingAppeared();
  notifier.PublishingAppeared();
  EXPECT_EQ(calls, 1);
}

TEST(ChangeNotifier, DroppingWaitsForACallbackThatRuns) {
  ChangeNotifier notifier;
  std::promise<void> entered;
  std::promise<void> leave;
  std::atomic<bool> finished = false;
  auto subscription = std::make_unique<ChangeNotifier::Subscription>(notifier.OnWork([&] {
    entered.set_value();
    leave.get_future().wait();
    finished = true;
  }));
  std::thread caller([&] { notifier.WorkAppeared(); });
  entered.get_future().wait();
  std::thread dropper([&] {
    subscription.reset();
    EXPECT_TRUE(finished);
  });
  leave.set_value();
  dropper.join();
  caller.join();
}

TEST(ChangeNotifier, IsThreadSafe) {
  ChangeNotifier notifier;
  std::atomic<int> calls = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) {
        const auto subscription = notifier.OnJob("j", [&] { ++calls; });
        notifier.JobChanged("j");
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_GE(calls, 800) << "each thread at least woke itself";
}

}  // namespace
}  // namespace besa::server
