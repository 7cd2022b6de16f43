#include "server/publisher/background_loop.h"

#include <atomic>
#include <future>
#include <thread>

#include "gtest/gtest.h"

namespace besa::server {
namespace {

TEST(BackgroundLoopTest, RunsAtOnceAndWhenWoken) {
  std::promise<void> first;
  std::promise<void> second;
  int rounds = 0;
  BackgroundLoop loop([&] {
    ++rounds;
    if (rounds == 1) first.set_value();
    if (rounds == 2) second.set_value();
    return absl::Hours(1);
  });
  first.get_future().get();
  loop.Wake();
  second.get_future().get();
}

TEST(BackgroundLoopTest, RunsAgainWhenThePauseIsOver) {
  std::promise<void> third;
  int rounds = 0;
  BackgroundLoop loop([&] {
    if (++rounds == 3) third.set_value();
    return absl::Milliseconds(1);
  });
  third.get_future().get();
}

TEST(BackgroundLoopTest, ItsEndWaitsForTheRoundThatRuns) {
  std::promise<void> begun;
  std::promise<void> release;
  std::atomic<bool> done = false;
  std::thread releaser;
  {
    BackgroundLoop loop([&] {
      begun.set_value();
      release.get_future().get();
      done = true;
      return absl::Hours(1);
    });
    begun.get_future().get();
    releaser = std::thread([&] { release.set_value(); });
  }
  EXPECT_TRUE(done);
  releaser.join();
}

}  // namespace
}  // namespace besa::server
