// 50 workers and 100 jobs with everything that can happen to them: the coordinator stays under 2,000 series.
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "besa/v1/fleet_service.pb.h"
#include "besa/v1/prune_service.pb.h"
#include "besa/v1/worker_service.pb.h"
#include "google/protobuf/descriptor.h"
#include "gtest/gtest.h"
#include "server/metrics/fleet_metrics.h"
#include "server/metrics/metered_state_store.h"
#include "server/metrics/rpc_metrics.h"
#include "server/scheduler/coordinator_testing.h"
#include "storage/object/temporary_folder.h"
#include "telemetry/metered_store.h"
#include "telemetry/metrics_endpoint.h"
#include "telemetry/process_metrics.h"
#include "telemetry/sample.h"

namespace besa::server {
namespace {

using testing::CoordinatorBench;
using testing::TestWorker;

// Every method, with the codes that a bad day brings.
void CallEverything(RpcMetrics& metrics) {
  for (const auto* file : {v1::CreateJobRequest::descriptor()->file(), v1::LeaseTaskRequest::descriptor()->file(),
                           v1::ListWorkersRequest::descriptor()->file()}) {
    for (int i = 0; i < file->service(0)->method_count(); ++i) {
      for (const auto code : {grpc::StatusCode::OK, grpc::StatusCode::UNAVAILABLE, grpc::StatusCode::INVALID_ARGUMENT,
                              grpc::StatusCode::NOT_FOUND}) {
        CallRecord call;
        call.method = absl::StrCat("/", file->service(0)->full_name(), "/", file->service(0)->method(i)->name());
        call.code = code;
        metrics.Record(call);
      }
    }
  }
}

TEST(SeriesBudget, FiftyWorkersAndAHundredJobsStayUnderTwoThousandSeries) {
  CoordinatorBench bench;
  const auto registry = std::make_shared<prometheus::Registry>();
  AddBuildInfo(*registry, "besa-coordinator", "test");
  MeteredStateStore state(*bench.store, *registry, bench.clock);
  bench.WorkThrough(state);
  RpcMetrics rpc(*registry);
  CallEverything(rpc);
  const storage::TemporaryFolder folder;
  const auto store = MeterStore(storage::OpenStoreIn(folder), MakeStoreMetrics(*registry, Clock::Real()));
  ASSERT_TRUE(WriteAll(*store, folder / "a", "x").ok());
  ASSERT_TRUE(ReadAll(*store, folder / "a", 10).ok());
  ASSERT_TRUE(store->Copy(folder / "a", folder / "b").ok());
  ASSERT_TRUE(store->List(folder.uri()).ok());
  ASSERT_TRUE(store->Delete(folder / "b").ok());
  ASSERT_TRUE(store->CheckWritable(folder.uri()).ok());

  for (int i = 0; i < 100; ++i) bench.CreateJob(/*blocks=*/32);
  std::vector<TestWorker> workers;
  for (int i = 0; i < 50; ++i) {
    TestWorker worker;
    worker.name = absl::StrCat("workers/w", i);
    worker.incarnation = absl::StrCat("w", i, "-1");
    ASSERT_TRUE(bench.Register(worker).ok());
    workers.push_back(worker);
  }
  // Some hundred tasks through the fleet: prepared, pruned, evaluated, and every second one failed once.
  int requests = 0;
  for (int round = 0; round < 6; ++round) {
    for (const TestWorker& worker : workers) {
      const auto lease = bench.Lease(worker, absl::StrCat("r", ++requests));
      ASSERT_TRUE(lease.ok());
      if (!lease->has_assignment()) continue;
      if (requests % 2 == 0 && round % 2 == 0) {
        ASSERT_TRUE(bench.Fail(worker, lease->assignment(), v1::FAILURE_REASON_STORAGE).ok());
      } else {
        ASSERT_TRUE(bench.Commit(worker, lease->assignment()).ok());
      }
    }
  }
  FleetMetrics fleet(*bench.coordinator, state, bench.clock, {});
  ASSERT_TRUE(fleet.Refresh().ok());

  const size_t of_fleet = CountSeries(fleet.Collect());
  const size_t of_registry = CountSeries(registry->Collect());
  const size_t of_process = CountSeries(ProcessMetrics().Collect());
  RecordProperty("series", std::to_string(of_fleet + of_registry + of_process));
  EXPECT_GT(of_fleet, 500u) << "the jobs should have series";
  EXPECT_LT(of_fleet + of_registry + of_process, 2000u) << of_fleet << " of jobs, " << of_registry << " others";
  std::printf("series: %zu of the fleet, %zu of the registry, %zu of the process\n", of_fleet, of_registry, of_process);
}

}  // namespace
}  // namespace besa::server
