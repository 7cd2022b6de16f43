// What the metrics cost: a step of a task with and without MeteredTaskRunner round the runner, and a scrape.
#include <benchmark/benchmark.h>

#include <memory>

#include "prometheus/text_serializer.h"
#include "worker/agent/metered_task_runner.h"

namespace besa::worker {
namespace {

constexpr int kSteps = 10'000;

// Does nothing but report its steps.
class EmptyRunner final : public TaskRunner {
 public:
  absl::StatusOr<TaskEnding> Compute(const v1::Assignment&, const TaskObserver& observer) override {
    v1::TaskProgress progress;
    progress.set_stage("train");
    progress.set_steps(kSteps);
    for (int step = 1; step <= kSteps; ++step) {
      progress.set_step(step);
      progress.set_loss(1.0 / step);
      observer(progress);
    }
    return Finished({});
  }
  std::optional<v1::Cursor> cursor() const override { return std::nullopt; }
};

v1::Assignment SomeAssignment() {
  v1::Assignment assignment;
  assignment.set_kind(v1::TASK_KIND_PRUNE);
  assignment.mutable_spec()->mutable_calibration()->set_samples(128);
  assignment.mutable_spec()->mutable_calibration()->set_sequence_length(2048);
  return assignment;
}

void RunSteps(benchmark::State& state, TaskRunner& runner) {
  const v1::Assignment assignment = SomeAssignment();
  for (auto unused : state) {
    benchmark::DoNotOptimize(runner.Run(assignment, [](const v1::TaskProgress& progress) {
      benchmark::DoNotOptimize(progress.step());
      return true;
    }));
  }
  // Shown as the time of one step.
  state.counters["step"] = benchmark::Counter(static_cast<double>(state.iterations()) * kSteps,
                                              benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

void PlainSteps(benchmark::State& state) {
  EmptyRunner runner;
  RunSteps(state, runner);
}
BENCHMARK(PlainSteps)->Unit(benchmark::kMillisecond);

void MeteredSteps(benchmark::State& state) {
  EmptyRunner runner;
  prometheus::Registry registry;
  MeteredTaskRunner metered(runner, v1::Device(), registry, Clock::Real());
  RunSteps(state, metered);
}
BENCHMARK(MeteredSteps)->Unit(benchmark::kMillisecond);

void Scrape(benchmark::State& state) {
  EmptyRunner runner;
  prometheus::Registry registry;
  MeteredTaskRunner metered(runner, v1::Device(), registry, Clock::Real());
  metered.Run(SomeAssignment(), [](const v1::TaskProgress&) { return true; }).status().IgnoreError();
  for (auto unused : state) benchmark::DoNotOptimize(prometheus::TextSerializer().Serialize(registry.Collect()));
}
BENCHMARK(Scrape)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace besa::worker

BENCHMARK_MAIN();
