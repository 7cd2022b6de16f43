#include "server/simulator/simulation.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/simulator/scenarios.h"

namespace besa::simulator {
namespace {

class SimulationTest : public ::testing::Test {
 protected:
  SimulationTest() : times(*ReadTimes(BESA_TIMES)) {}

  Scenario Of(const std::string& shape, int32_t workers, v1::Activations activations = v1::ACTIVATIONS_WALKED) const {
    return {.shape = times.shapes.at(shape),
            .bandwidth = times.bandwidths.at("cached"),
            .activations = activations,
            .workers = EqualWorkers(workers),
            .lease_term = times.lease_term};
  }
  double Speedup(const std::string& shape, int32_t workers, v1::Activations activations) const {
    return Simulate(Of(shape, 1)).seconds / Simulate(Of(shape, workers, activations)).seconds;
  }

  const Times times;
};

TEST_F(SimulationTest, OneWorkerWalksNothing) {
  const Scenario scenario = Of("70B", 1);
  const Outcome outcome = Simulate(scenario);
  EXPECT_EQ(outcome.extra_forwards, 0);
  const double write = scenario.shape.block_bytes / scenario.bandwidth.store_per_second;
  EXPECT_NEAR(outcome.seconds, 80 * (3.2 + write), 1e-6);
}

TEST_F(SimulationTest, ThePassthroughIsCopiedBesideTheBlocks) {
  Scenario scenario = Of("70B", 2);
  const double pruned = Simulate(scenario).seconds;
  scenario.others.passthrough = 20;
  EXPECT_EQ(Simulate(scenario).seconds, pruned);
  EXPECT_EQ(Simulate(scenario).all_seconds, pruned);
  scenario.others.passthrough = 1000;
  EXPECT_EQ(Simulate(scenario).seconds, pruned);
  EXPECT_EQ(Simulate(scenario).all_seconds, 1000) << "the job ends with its last task";
}

TEST_F(SimulationTest, ThePassthroughOfAWorkerThatDiesIsCopiedByAnother) {
  Scenario scenario = Of("70B", 2);
  scenario.others.passthrough = 1000;
  // The first prepares, and so it is the first to ask for something else.
  scenario.workers[0].dies = 1;
  const Outcome outcome = Simulate(scenario);
  EXPECT_EQ(outcome.lost_attempts, 1) << "the block that it was at";
  EXPECT_GE(outcome.all_seconds, 1 + scenario.lease_term + 1000);
  EXPECT_LE(outcome.all_seconds, outcome.seconds + 1000);
}

TEST_F(SimulationTest, EightWorkersOn70B) {
  EXPECT_GE(Speedup("70B", 8, v1::ACTIVATIONS_WALKED), 3.6);
  EXPECT_GE(Speedup("70B", 8, v1::ACTIVATIONS_STORED), 5.8);
}

// Without the time for writing results, which flatters the figures: it is the same for all.
TEST_F(SimulationTest, EightWorkersOn70BByComputeAlone) {
  Scenario one = Of("70B", 1);
  one.bandwidth.store_per_second = 1e15;
  Scenario eight = Of("70B", 8);
  eight.bandwidth = one.bandwidth;
  EXPECT_GE(Simulate(one).seconds / Simulate(eight).seconds, 3.6);
  eight.activations = v1::ACTIVATIONS_STORED;
  EXPECT_GE(Simulate(one).seconds / Simulate(eight).seconds, 5.8);
}

TEST_F(SimulationTest, MoreWorkersAreNeverSlower) {
  for (const v1::Activations activations : {v1::ACTIVATIONS_WALKED, v1::ACTIVATIONS_STORED}) {
    double before = Simulate(Of("70B", 2, activations)).seconds;
    for (const int32_t workers : {4, 8, 16, 32, 64}) {
      const double now = Simulate(Of("70B", workers, activations)).seconds;
      EXPECT_LE(now, before * 1.02) << workers;
      before = now;
    }
  }
}

TEST_F(SimulationTest, KillingAnyOfEightCostsItsBlockAndTheWalkToItAtMost) {
  const Scenario all = Of("70B", 8);
  const Outcome whole = Simulate(all);
  Scenario seven = Of("70B", 7);
  const double without = Simulate(seven).seconds;
  // Everybody else's block in hand, the walk to any block, and a block.
  const double way = 80 * all.shape.forward_seconds;
  const double block = all.shape.block_seconds + all.shape.block_bytes / all.bandwidth.store_per_second;
  for (size_t victim = 0; victim < all.workers.size(); ++victim) {
    for (double at = 1; at < whole.seconds; at += whole.seconds / 9) {
      Scenario scenario = all;
      scenario.workers[victim].dies = at;
      const Outcome outcome = Simulate(scenario);
      EXPECT_LE(outcome.lost_attempts, 1) << "nothing committed is done again";
      EXPECT_LE(outcome.lost_seconds, way + block);
      EXPECT_LE(outcome.seconds, std::max(without, at) + all.lease_term + way + 2 * block)
          << "worker " << victim << " killed after " << at << " s";
    }
  }
}

TEST_F(SimulationTest, ALateWorkerHelps) {
  Scenario scenario = Of("70B", 2);
  const double two = Simulate(scenario).seconds;
  scenario.workers.push_back({.joins = 20});
  EXPECT_LT(Simulate(scenario).seconds, 0.85 * two);
}

TEST_F(SimulationTest, AHalfAsFastWorkerIsAHelpToOne) {
  Scenario scenario = Of("70B", 2);
  scenario.workers[1].speed = 0.5;
  EXPECT_LT(Simulate(scenario).seconds, 0.8 * Simulate(Of("70B", 1)).seconds);
}

TEST_F(SimulationTest, AJobOutlivesAllButOne) {
  Scenario scenario = Of("7B", 8, v1::ACTIVATIONS_STORED);
  for (size_t i = 1; i < 8; ++i) scenario.workers[i].dies = 2.0 + 1.3 * static_cast<double>(i);
  const Outcome outcome = Simulate(scenario);
  EXPECT_LE(outcome.lost_attempts, 7);
  EXPECT_EQ(std::ranges::count_if(outcome.spans, [](const Span& span) { return span.block >= 0 && !span.lost; }), 32);
}

}  // namespace
}  // namespace besa::simulator
