// A worker on its worst day, whatever jobs it has worked for: it stays under 2,000 series.
#include <cstdio>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "storage/object/faulty_store.h"
#include "storage/object/temporary_folder.h"
#include "telemetry/metered_store.h"
#include "telemetry/metrics_endpoint.h"
#include "telemetry/process_metrics.h"
#include "telemetry/sample.h"
#include "worker/agent/device_usage.h"
#include "worker/agent/metered_task_runner.h"
#include "worker/agent/testing/manual_time.h"

namespace besa::worker {
namespace {

constexpr int kStatusCodes = 17;

// Reports a step of one stage and ends as it is told.
class OneStepRunner final : public TaskRunner {
 public:
  absl::StatusOr<TaskEnding> Compute(const v1::Assignment&, const TaskObserver& observer) override {
    v1::TaskProgress progress;
    progress.set_stage(stage);
    progress.set_step(1);
    progress.set_steps(2);
    observer(progress);
    if (code != absl::StatusCode::kOk) return absl::Status(code, "as told");
    v1::TaskResult result;
    v1::StageSeconds& seconds = *result.add_stages();
    seconds.set_stage(stage);
    seconds.set_seconds(1);
    return Finished(std::move(result));
  }
  std::optional<v1::Cursor> cursor() const override { return std::nullopt; }

  std::string stage;
  absl::StatusCode code = absl::StatusCode::kOk;
};

// Every kind of task, ended in every way, for a hundred jobs, in more stages than there are.
void RunEverything(MeteredTaskRunner& metered, OneStepRunner& runner) {
  for (int job = 0; job < 100; ++job) {
    for (int kind = v1::TaskKind_MIN + 1; kind <= v1::TaskKind_MAX; ++kind) {
      v1::Assignment assignment;
      assignment.mutable_lease()->set_task(absl::StrCat("jobs/", job, "/tasks/", kind));
      assignment.set_kind(static_cast<v1::TaskKind>(kind));
      assignment.set_block(job);
      runner.code = static_cast<absl::StatusCode>(job % kStatusCodes);
      runner.stage = job % 2 == 0 ? "train" : absl::StrCat("stage-", job);
      metered.Run(assignment, [](const v1::TaskProgress&) { return true; }).status().IgnoreError();
    }
  }
}

// Every operation on both kinds of store, ended in every way.
void AskEverything(storage::ObjectStore& store, storage::FaultyStore& faulty, const storage::Uri& folder) {
  for (const storage::Uri& where : {folder, *storage::Uri::Parse("s3://bucket/folder")}) {
    for (int code = where == folder ? 0 : 1; code < kStatusCodes; ++code) {
      faulty.SetPlan([code](const storage::StoreCall&) {
        return storage::Fault{.status = absl::Status(static_cast<absl::StatusCode>(code), "as told")};
      });
      const storage::Uri file = where.Join("file");
      WriteAll(store, file, "x").IgnoreError();
      std::byte byte;
      store.ReadRange(file, 0, {&byte, 1}).IgnoreError();
      store.Stat(file).status().IgnoreError();
      store.List(where).status().IgnoreError();
      store.CheckWritable(where).IgnoreError();
      store.Copy(file, where.Join("copy")).IgnoreError();
      store.Delete(file).IgnoreError();
    }
  }
}

TEST(SeriesBudget, AWorkerOfAHundredJobsStaysUnderTwoThousandSeries) {
  prometheus::Registry registry;
  AddBuildInfo(registry, "besa-worker", "test");
  ManualTime time;
  OneStepRunner runner;
  MeteredTaskRunner metered(runner, v1::Device(), registry, time);
  RunEverything(metered, runner);
  const size_t of_tasks = CountSeries(registry.Collect());
  EXPECT_GT(of_tasks, 100u) << "every end of every kind of task should have a series";

  const storage::TemporaryFolder folder;
  const auto plain = storage::OpenStoreIn(folder);
  auto owned = std::make_unique<storage::FaultyStore>(*plain);
  storage::FaultyStore& faulty = *owned;
  const auto store = MeterStore(std::move(owned), MakeStoreMetrics(registry, time));
  AskEverything(*store, faulty, folder.uri());
  const size_t of_registry = CountSeries(registry.Collect());
  EXPECT_GT(of_registry - of_tasks, 200u) << "every end of every operation should have a series";

  const size_t of_process =
      CountSeries(ProcessMetrics().Collect()) + CountSeries(DeviceUsage("cpu", int64_t{1} << 30).Collect());
  std::printf("series: %zu of tasks, %zu of stores, %zu of the process\n", of_tasks, of_registry - of_tasks,
              of_process);
  // Of a GPU one more, its utilisation, and one of the share of the floor.
  EXPECT_LT(of_registry + of_process + 2, 2000u);
}

}  // namespace
}  // namespace besa::worker
