#include "worker/agent/metered_task_runner.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "absl/strings/strip.h"
#include "telemetry/code_label.h"

namespace besa::worker {
namespace {

template <class Builder>
auto& Family(Builder builder, const char* name, const char* help, prometheus::Registry& registry) {
  return builder.Name(name).Help(help).Register(registry);
}

std::string KindLabel(v1::TaskKind kind) {
  return std::string(absl::StripPrefix(v1::TaskKind_Name(kind), "TASK_KIND_"));
}

constexpr char kTrain[] = "train";
constexpr char kRecover[] = "recover";

}  // namespace

struct MeteredTaskRunner::Families {
  explicit Families(prometheus::Registry& registry)
      : info(
            Family(prometheus::BuildGauge(), "besa_worker_device_info", "1, with the device in the labels.", registry)),
        busy(Family(prometheus::BuildGauge(), "besa_worker_busy", "1 while a task runs.", registry).Add({})),
        busy_seconds(
            Family(prometheus::BuildCounter(), "besa_worker_busy_seconds_total", "Time in which a task ran.", registry)
                .Add({})),
        tasks(Family(prometheus::BuildCounter(), "besa_worker_tasks_total", "Tasks run, by how that ended.", registry)),
        seconds(Family(prometheus::BuildHistogram(), "besa_worker_task_seconds", "Time that tasks ran.", registry)),
        stages(Family(prometheus::BuildCounter(), "besa_worker_stage_seconds_total",
                      "Seconds that tasks spent, by stage.", registry)),
        steps(Family(prometheus::BuildCounter(), "besa_worker_steps_total", "Steps done, by stage.", registry)),
        tokens(Family(prometheus::BuildCounter(), "besa_worker_tokens_total",
                      "Calibration tokens trained on and tokens predicted in evaluations.", registry)),
        block(Family(prometheus::BuildGauge(), "besa_worker_block", "The block that is pruned.", registry)),
        loss(Family(prometheus::BuildGauge(), "besa_worker_loss", "Reconstruction loss of the last step.", registry)),
        sparsity(Family(prometheus::BuildGauge(), "besa_worker_sparsity_ratio",
                        "Sparsity of the block at the last step.", registry)) {}

  void CountEnd(const std::string& kind, absl::StatusCode code, absl::Duration took) {
    tasks.Add({{"kind", kind}, {"code", CodeLabel(code)}}).Increment();
    seconds.Add({{"kind", kind}}, prometheus::Histogram::BucketBoundaries{1, 10, 60, 300, 1800, 7200})
        .Observe(absl::ToDoubleSeconds(took));
  }

  void CountResult(const std::string& kind, const v1::TaskResult& result) {
    for (const v1::StageSeconds& stage : result.stages()) {
      stages.Add({{"stage", StageLabel(stage.stage())}}).Increment(std::max(0.0, stage.seconds()));
    }
    for (const v1::Perplexity& text : result.evaluation().texts()) {
      tokens.Add({{"kind", kind}}).Increment(static_cast<double>(text.tokens()));
    }
  }

  std::string StageLabel(const std::string& stage) {
    const std::lock_guard lock(mutex);
    return stage_label(stage);
  }

  prometheus::Family<prometheus::Gauge>& info;
  prometheus::Gauge& busy;
  prometheus::Counter& busy_seconds;
  prometheus::Family<prometheus::Counter>& tasks;
  prometheus::Family<prometheus::Histogram>& seconds;
  prometheus::Family<prometheus::Counter>& stages;
  prometheus::Family<prometheus::Counter>& steps;
  prometheus::Family<prometheus::Counter>& tokens;
  prometheus::Family<prometheus::Gauge>& block;
  prometheus::Family<prometheus::Gauge>& loss;
  prometheus::Family<prometheus::Gauge>& sparsity;
  // Endings run in other threads.
  std::mutex mutex;
  BoundedLabel stage_label{24};
  // The counters of the stages seen: a step costs no look-up in the library.
  std::map<std::string, prometheus::Counter*> step_counters;
};

// One run of one task, while it needs the device.
class MeteredTaskRunner::Running {
 public:
  Running(Families& families, const Clock& clock, const v1::Assignment& assignment)
      : families_(families),
        clock_(clock),
        kind_(KindLabel(assignment.kind())),
        calibration_tokens_(static_cast<double>(assignment.spec().calibration().samples()) *
                            assignment.spec().calibration().sequence_length()),
        tokens_(families.tokens.Add({{"kind", kind_}})),
        began_(clock.Steady()),
        counted_until_(began_) {
    families_.busy.Set(1);
    if (assignment.kind() != v1::TASK_KIND_PRUNE) return;
    block_ = &families_.block.Add({});
    block_->Set(assignment.block());
  }

  ~Running() {
    CountBusy();
    families_.busy.Set(0);
    if (block_ != nullptr) families_.block.Remove(block_);
    if (loss_ != nullptr) families_.loss.Remove(loss_);
    if (sparsity_ != nullptr) families_.sparsity.Remove(sparsity_);
  }

  void OnProgress(const v1::TaskProgress& progress) {
    CountBusy();
    if (progress.stage() != stage_) {
      stage_ = progress.stage();
      step_ = 0;
      const std::string label = families_.StageLabel(stage_);
      prometheus::Counter*& counter = families_.step_counters[label];
      if (counter == nullptr) counter = &families_.steps.Add({{"stage", label}});
      steps_ = counter;
    }
    const int64_t done = std::max<int64_t>(0, progress.step() - step_);
    step_ = progress.step();
    steps_->Increment(static_cast<double>(done));
    // Before the first step there is no loss.
    if ((stage_ != kTrain && stage_ != kRecover) || progress.step() <= 0 || progress.steps() <= 0) return;
    // However often they are gone through.
    if (stage_ == kTrain) {
      CountTokens(calibration_tokens_ * static_cast<double>(done) / static_cast<double>(progress.steps()));
    }
    if (loss_ == nullptr) loss_ = &families_.loss.Add({});
    if (sparsity_ == nullptr) sparsity_ = &families_.sparsity.Add({});
    loss_->Set(progress.loss());
    sparsity_->Set(progress.sparsity());
  }

  // A block that is pruned beside this one is done: it saw the same tokens.
  void CountOther() { tokens_.Increment(calibration_tokens_); }

  // After which the tokens that a task saw count, however it was done.
  void OnComputed(bool pruned) {
    // Methods that don't train see the tokens all the same.
    if (pruned) CountTokens(calibration_tokens_ - counted_tokens_);
  }

 private:
  void CountTokens(double tokens) {
    const double left = std::clamp(tokens, 0.0, calibration_tokens_ - counted_tokens_);
    counted_tokens_ += left;
    tokens_.Increment(left);
  }

  void CountBusy() {
    const absl::Duration now = clock_.Steady();
    families_.busy_seconds.Increment(std::max(0.0, absl::ToDoubleSeconds(now - counted_until_)));
    counted_until_ = now;
  }

  Families& families_;
  const Clock& clock_;
  const std::string kind_;
  const double calibration_tokens_;
  prometheus::Counter& tokens_;
  const absl::Duration began_;
  absl::Duration counted_until_;
  double counted_tokens_ = 0;
  std::string stage_;
  int64_t step_ = 0;
  prometheus::Counter* steps_ = nullptr;
  prometheus::Gauge* block_ = nullptr;
  prometheus::Gauge* loss_ = nullptr;
  prometheus::Gauge* sparsity_ = nullptr;
};

MeteredTaskRunner::MeteredTaskRunner(TaskRunner& runner, const v1::Device& device, prometheus::Registry& registry,
                                     const Clock& clock)
    : runner_(runner), clock_(clock), families_(std::make_unique<Families>(registry)) {
  families_->info.Add({{"device", device.id()}, {"model", device.model()}}).Set(1);
}

MeteredTaskRunner::~MeteredTaskRunner() = default;

absl::StatusOr<TaskEnding> MeteredTaskRunner::Compute(const v1::Assignment& assignment, const TaskObserver& observer) {
  const absl::Duration began = clock_.Steady();
  const std::string kind = KindLabel(assignment.kind());
  absl::StatusOr<TaskEnding> ending = absl::UnknownError("");
  {
    Running running(*families_, clock_, assignment);
    ending = runner_.Compute(assignment, [&](const v1::TaskProgress& progress) {
      running.OnProgress(progress);
      return observer(progress);
    });
    running.OnComputed(ending.ok() && assignment.kind() == v1::TASK_KIND_PRUNE);
  }
  return Counted(kind, began, std::move(ending));
}

void MeteredTaskRunner::ComputeSeveral(const std::vector<BlockToPrune>& blocks, const EndingTaker& take) {
  const absl::Duration began = clock_.Steady();
  const std::string kind = KindLabel(v1::TASK_KIND_PRUNE);
  Running running(*families_, clock_, *blocks.front().assignment);
  const TaskObserver observe_first = [&](const v1::TaskProgress& progress) {
    running.OnProgress(progress);
    return (*blocks.front().observer)(progress);
  };
  std::vector<BlockToPrune> observed = blocks;
  observed.front().observer = &observe_first;
  runner_.ComputeSeveral(observed, [&](size_t block, absl::StatusOr<TaskEnding> ending) {
    if (block == 0) {
      running.OnComputed(ending.ok());
    } else if (ending.ok()) {
      running.CountOther();
    }
    take(block, Counted(kind, began, std::move(ending)));
  });
}

absl::StatusOr<TaskEnding> MeteredTaskRunner::Counted(const std::string& kind, absl::Duration began,
                                                      absl::StatusOr<TaskEnding> ending) {
  if (!ending.ok()) {
    families_->CountEnd(kind, ending.status().code(), clock_.Steady() - began);
    return ending;
  }
  return TaskEnding([this, kind, began, end = *std::move(ending)](const TaskObserver& beside) mutable {
    auto result = std::move(end)(beside);
    families_->CountEnd(kind, result.status().code(), clock_.Steady() - began);
    if (result.ok()) families_->CountResult(kind, *result);
    return result;
  });
}

}  // namespace besa::worker
