#include "server/scheduler/postgres_wakeups.h"

#include <gtest/gtest.h>

#include <future>
#include <optional>

#include "server/testing/postgres_server.h"

namespace besa::server {
namespace {

using testing::PostgresServer;

class PostgresWakeupsTest : public ::testing::Test {
 protected:
  // A coordinator's part of it.
  struct Side {
    explicit Side(const std::string& conninfo, const std::string& id)
        : wakeups(std::in_place, conninfo, id, notifier) {}
    ChangeNotifier notifier;
    std::optional<PostgresWakeups> wakeups;
  };

  // Whether `happen`, repeated until it is heard, wakes a subscriber.
  static bool Wakes(const std::function<ChangeNotifier::Subscription(ChangeNotifier::Callback)>& subscribe,
                    const std::function<void()>& happen) {
    std::promise<void> woken;
    std::once_flag once;
    const auto subscription = subscribe([&] { std::call_once(once, [&] { woken.set_value(); }); });
    const std::future<void> heard = woken.get_future();
    // The other side may not listen yet.
    for (int i = 0; i < 200; ++i) {
      happen();
      if (heard.wait_for(std::chrono::milliseconds(50)) == std::future_status::ready) return true;
    }
    return false;
  }

  // Whether both sides listen and have woken everybody for having connected, so that from now on only what happens
  // wakes anybody. What b hears first may be that it has connected itself; what it hears next is a's, and a sends
  // nothing before it has connected, too.
  bool BothServe() {
    for (int i = 0; i < 2; ++i) {
      if (!Wakes([&](auto callback) { return b_.notifier.OnJob("ready", std::move(callback)); },
                 [&] { a_.notifier.JobChanged("ready"); })) {
        return false;
      }
    }
    return true;
  }

  PostgresServer& server_ = PostgresServer::Shared();
  const std::string database_ = server_.NewDatabase();
  Side a_{server_.Conninfo(database_), "a"};
  Side b_{server_.Conninfo(database_), "b"};
};

TEST_F(PostgresWakeupsTest, WhatHappensAtOneCoordinatorWakesWhoWaitsAtAnother) {
  EXPECT_TRUE(Wakes([&](auto callback) { return b_.notifier.OnJob("j1", std::move(callback)); },
                    [&] { a_.notifier.JobChanged("j1"); }));
  EXPECT_TRUE(Wakes([&](auto callback) { return b_.notifier.OnWork(std::move(callback)); },
                    [&] { a_.notifier.WorkAppeared(); }));
  EXPECT_TRUE(Wakes([&](auto callback) { return a_.notifier.OnPublishing(std::move(callback)); },
                    [&] { b_.notifier.PublishingAppeared(); }));
}

TEST_F(PostgresWakeupsTest, AWakeUpComesOnceAndIsNotSentBack) {
  ASSERT_TRUE(BothServe());
  std::atomic<int> at_a = 0;
  std::atomic<int> at_b = 0;
  const auto of_a = a_.notifier.OnJob("j1", [&] { ++at_a; });
  const auto of_b = b_.notifier.OnJob("j1", [&] { ++at_b; });
  a_.notifier.JobChanged("j1");
  // Notifications keep their order: when the next has arrived, this one and its echo, if there were one, have.
  ASSERT_TRUE(Wakes([&](auto callback) { return b_.notifier.OnJob("end", std::move(callback)); },
                    [&] { a_.notifier.JobChanged("end"); }));
  ASSERT_TRUE(Wakes([&](auto callback) { return a_.notifier.OnJob("end", std::move(callback)); },
                    [&] { b_.notifier.JobChanged("end"); }));
  EXPECT_EQ(at_a, 1);
  EXPECT_EQ(at_b, 1);
}

TEST_F(PostgresWakeupsTest, AfterALostConnectionEverybodyIsWoken) {
  ASSERT_TRUE(BothServe());
  std::promise<void> woken;
  std::once_flag once;
  const auto subscription = b_.notifier.OnJob("j1", [&] { std::call_once(once, [&] { woken.set_value(); }); });
  server_.Run("postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '" + database_ + "'");
  EXPECT_EQ(woken.get_future().wait_for(std::chrono::seconds(10)), std::future_status::ready);
}

}  // namespace
}  // namespace besa::server
