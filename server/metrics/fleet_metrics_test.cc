#include "server/metrics/fleet_metrics.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "prometheus/text_serializer.h"
#include "server/scheduler/coordinator_testing.h"

namespace besa::server {
namespace {

using testing::CoordinatorBench;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::TestWorker;

std::string Text(const FleetMetrics& metrics) { return prometheus::TextSerializer().Serialize(metrics.Collect()); }

TEST(FleetMetrics, SeriesOfAJobGoAwaySoonAfterItsEnd) {
  CoordinatorBench bench;
  FleetMetrics metrics(*bench.coordinator, *bench.store, bench.clock, {.budget = {}, .linger = absl::Minutes(2)});
  const TestWorker worker;
  ASSERT_TRUE(bench.Register(worker).ok());
  const std::string job = bench.CreateJob(/*blocks=*/2);
  ASSERT_TRUE(metrics.Refresh().ok());
  EXPECT_THAT(Text(metrics), HasSubstr("besa_job_blocks_committed{job_name=\"" + job + "\"} 0"));
  EXPECT_THAT(Text(metrics), HasSubstr(R"(besa_workers{state="IDLE"} 1)"));

  bench.WorkOff(worker);
  ASSERT_TRUE(metrics.Refresh().ok());
  // Its last figures, for whoever comes by less often than jobs end.
  EXPECT_THAT(Text(metrics), HasSubstr("besa_job_blocks_committed{job_name=\"" + job + "\"} 2"));
  EXPECT_THAT(Text(metrics), HasSubstr("besa_job_perplexity{job_name=\"" + job + "\",model=\"pruned\""));

  bench.clock.Advance(absl::Minutes(3));
  ASSERT_TRUE(metrics.Refresh().ok());
  EXPECT_THAT(Text(metrics), Not(HasSubstr(job)));
}

TEST(FleetMetrics, ProgressOfARunningBlockIsSeen) {
  CoordinatorBench bench;
  FleetMetrics metrics(*bench.coordinator, *bench.store, bench.clock, {});
  const TestWorker worker;
  ASSERT_TRUE(bench.Register(worker).ok());
  const std::string job = bench.CreateJob(/*blocks=*/1, /*evaluation=*/false);
  // prepare and passthrough
  for (const char* request : {"r1", "r2"}) {
    const auto before = bench.Lease(worker, request);
    ASSERT_TRUE(before.ok());
    ASSERT_TRUE(bench.Commit(worker, before->assignment()).ok());
  }
  const auto block = bench.Lease(worker, "r3");
  ASSERT_TRUE(block.ok());
  ASSERT_EQ(block->assignment().kind(), v1::TASK_KIND_PRUNE);
  ASSERT_TRUE(metrics.Refresh().ok());
  bench.clock.Advance(absl::Seconds(5));

  v1::HeartbeatRequest beat;
  beat.set_worker(worker.name);
  beat.set_incarnation(worker.incarnation);
  *beat.mutable_lease() = block->assignment().lease();
  beat.mutable_progress()->set_stage("train");
  beat.mutable_progress()->set_step(16);
  beat.mutable_progress()->set_steps(64);
  beat.mutable_progress()->set_loss(0.25);
  ASSERT_TRUE(bench.coordinator->Heartbeat(beat).ok());
  ASSERT_TRUE(metrics.Refresh().ok());
  EXPECT_THAT(Text(metrics), HasSubstr("besa_block_progress_ratio{block=\"0\",job_name=\"" + job + "\"} 0.25"));
  EXPECT_THAT(Text(metrics), HasSubstr("besa_block_loss{block=\"0\",job_name=\"" + job + "\"} 0.25"));
}

}  // namespace
}  // namespace besa::server
