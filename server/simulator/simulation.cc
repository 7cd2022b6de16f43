#include "server/simulator/simulation.h"

#include <algorithm>
#include <optional>
#include <queue>
#include <stdexcept>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

#include "server/scheduler/commit.h"
#include "server/scheduler/creation.h"
#include "server/scheduler/heartbeat.h"
#include "server/scheduler/leasing.h"
#include "server/state/names.h"

namespace besa::simulator {
namespace {

using server::Context;
using server::JobRows;

// A worker that is given nothing asks again after a third of a term, or when something becomes free.
constexpr double kPollShare = 1.0 / 3;
constexpr int64_t kMemory = int64_t{1} << 40;
constexpr char kText[] = "text";

// The coordinator: the rows of one job, and the steps of the scheduler on them.
class Coordinator {
 public:
  explicit Coordinator(const Scenario& scenario) {
    context_.options.workspace_uri = "/workspace";
    context_.options.lease_term = absl::Seconds(scenario.lease_term);
    context_.fleet = {static_cast<int32_t>(scenario.workers.size()), kMemory};
    At(0);
    server::NewJob request;
    request.spec.set_sparsity(0.5);
    request.spec.mutable_calibration()->set_samples(scenario.windows);
    request.spec.mutable_calibration()->set_sequence_length(scenario.window_tokens);
    request.spec.mutable_method()->set_schedule(scenario.schedule);
    if (scenario.others.evaluate_dense > 0) request.spec.add_evaluations()->set_name(kText);
    request.model.set_blocks(scenario.shape.blocks);
    request.activations = scenario.activations;
    rows_ = server::OnCreated("job", request, context_).rows;
  }

  void At(double seconds) { context_.now = absl::UnixEpoch() + absl::Hours(1) + absl::Seconds(seconds); }
  void SetWorkers(int32_t connected) { context_.fleet.workers = connected; }

  // `held`: what it copies meanwhile.
  std::optional<v1::Assignment> Lease(const std::string& worker, std::optional<int32_t> cursor,
                                      const std::optional<v1::Assignment>& held) {
    server::LeaseAsked asked{.worker = worker,
                             .incarnation = worker,
                             .request_id = absl::StrCat(++requests_),
                             .held_leases = {},
                             .taker = {kMemory, cursor, worker}};
    if (held) asked.held_leases.push_back(held->lease().id());
    std::vector<v1::Assignment> granted = *Apply(server::OnLeaseAsked(rows_, asked, context_));
    if (granted.empty()) return std::nullopt;
    return std::move(granted.front());
  }

  void Commit(const std::string& worker, const v1::Assignment& assignment, const v1::TaskResult& result) {
    const std::string task = server::ParseTaskName("task", assignment.lease().task())->task_id;
    const auto done =
        Apply(server::OnCommit(rows_, task, {worker, worker, assignment.lease()}, result, /*leaving=*/false, context_));
    if (!done.ok()) throw std::runtime_error(done.status().ToString());
  }

  void Expire(const v1::Assignment& assignment) {
    const std::string id = server::ParseTaskName("task", assignment.lease().task())->task_id;
    for (const server::TaskRow& row : rows_.tasks) {
      if (row.id != id || !row.lease || row.lease->id != assignment.lease().id()) continue;
      (void)Apply(server::OnLeaseExpired(rows_, id, row.lease->id, row.lease->beat, context_));
      return;
    }
  }

  bool AllBlocksCommitted() const {
    return std::ranges::all_of(rows_.tasks, [](const server::TaskRow& row) {
      return row.task.kind() != v1::TASK_KIND_PRUNE || row.task.state() == v1::TASK_STATE_COMMITTED;
    });
  }
  bool AllCommitted() const {
    return std::ranges::all_of(rows_.tasks,
                               [](const server::TaskRow& row) { return row.task.state() == v1::TASK_STATE_COMMITTED; });
  }
  // Whether the last step made something free that was not.
  bool WorkAppeared() const { return appeared_; }

 private:
  template <class Reply>
  absl::StatusOr<Reply> Apply(server::Decision<Reply> decision) {
    appeared_ = false;
    for (server::TaskRow& changed : decision.changes.tasks) {
      appeared_ = appeared_ || changed.task.state() == v1::TASK_STATE_PENDING;
      rows_.tasks[static_cast<size_t>(changed.position)] = std::move(changed);
    }
    if (decision.changes.job) rows_.job = *std::move(decision.changes.job);
    return std::move(decision.reply);
  }

  Context context_;
  JobRows rows_;
  int requests_ = 0;
  bool appeared_ = false;
};

struct Worker {
  SimulatedWorker is;
  std::string name;
  std::optional<int32_t> cursor;
  std::optional<v1::Assignment> at_work;
  // The passthrough task, beside the work.
  std::optional<v1::Assignment> copying;
  v1::TaskResult result;
  Span span;
  double walked = 0.0;
  bool alive = false;
  // Counts up with what it begins, so that events about what it did before are passed over.
  int64_t serial = 0;
};

enum class What { kJoin, kAsk, kDone, kCopied, kDie, kExpire };

struct Event {
  double time = 0.0;
  // Events of one moment happen in the order in which they were made.
  int64_t order = 0;
  What what = What::kAsk;
  size_t worker = 0;
  int64_t serial = 0;
  std::optional<v1::Assignment> assignment = std::nullopt;

  bool operator>(const Event& other) const { return time != other.time ? time > other.time : order > other.order; }
};

void AddFile(const std::string& path, v1::TaskResult& result) {
  v1::File& file = *result.add_files();
  file.set_path(path);
  file.set_sha256(std::string(64, 'a'));
}

void AddStage(const std::string& name, double seconds, v1::TaskResult& result) {
  if (seconds <= 0) return;
  v1::StageSeconds& stage = *result.add_stages();
  stage.set_stage(name);
  stage.set_seconds(seconds);
}

class Simulation {
 public:
  explicit Simulation(const Scenario& scenario) : scenario_(scenario), coordinator_(scenario) {
    for (size_t i = 0; i < scenario.workers.size(); ++i) {
      workers_.push_back({.is = scenario.workers[i], .name = absl::StrCat("workers/w", i)});
      At(scenario.workers[i].joins, What::kJoin, i);
      if (scenario.workers[i].dies < std::numeric_limits<double>::infinity()) {
        At(scenario.workers[i].dies, What::kDie, i);
      }
    }
  }

  Outcome Run() {
    bool pruned = false;
    while (!coordinator_.AllCommitted()) {
      if (events_.empty()) throw std::runtime_error("nobody is left who could finish the job");
      const Event event = events_.top();
      events_.pop();
      now_ = event.time;
      coordinator_.At(now_);
      Happen(event);
      if (!pruned && coordinator_.AllBlocksCommitted()) {
        pruned = true;
        outcome_.seconds = now_;
      }
    }
    outcome_.all_seconds = now_;
    return std::move(outcome_);
  }

 private:
  void At(double time, What what, size_t worker, std::optional<v1::Assignment> assignment = std::nullopt) {
    events_.push({time, ++order_, what, worker, workers_[worker].serial, std::move(assignment)});
  }

  void Happen(const Event& event) {
    Worker& worker = workers_[event.worker];
    switch (event.what) {
      case What::kJoin:
        worker.alive = true;
        CountConnected();
        return Ask(event.worker);
      case What::kAsk:
        if (worker.alive && !worker.at_work && event.serial == worker.serial) Ask(event.worker);
        return;
      case What::kDone:
        if (worker.alive && event.serial == worker.serial) Done(event.worker);
        return;
      case What::kCopied:
        if (worker.alive) Copied(worker);
        return;
      case What::kDie:
        return Die(event.worker);
      case What::kExpire:
        CountConnected();
        coordinator_.Expire(*event.assignment);
        return WakeIdle();
    }
  }

  void CountConnected() {
    coordinator_.SetWorkers(static_cast<int32_t>(std::ranges::count_if(workers_, &Worker::alive)));
  }

  void Ask(size_t index) {
    Worker& worker = workers_[index];
    ++worker.serial;
    worker.at_work = coordinator_.Lease(worker.name, worker.cursor, worker.copying);
    if (worker.at_work && worker.at_work->kind() == v1::TASK_KIND_PASSTHROUGH) return Copy(index);
    if (!worker.at_work) return At(now_ + kPollShare * scenario_.lease_term, What::kAsk, index);
    Begin(worker);
    At(worker.span.end, What::kDone, index);
  }

  // Goes on with something else at once.
  void Copy(size_t index) {
    Worker& worker = workers_[index];
    worker.copying = std::exchange(worker.at_work, std::nullopt);
    At(now_ + scenario_.others.passthrough + scenario_.others.every_task, What::kCopied, index);
    Ask(index);
  }

  void Copied(Worker& worker) {
    v1::TaskResult result;
    AddFile("rest-00000.safetensors", result);
    result.mutable_passthrough();
    coordinator_.Commit(worker.name, *worker.copying, result);
    worker.copying.reset();
    if (coordinator_.WorkAppeared()) WakeIdle();
  }

  void Begin(Worker& worker) {
    worker.result = {};
    worker.walked = 0.0;
    worker.span = {
        .worker = static_cast<int32_t>(&worker - workers_.data()), .start = now_, .arrived = now_, .end = now_};
    switch (worker.at_work->kind()) {
      case v1::TASK_KIND_PRUNE:
        return BeginBlock(worker);
      case v1::TASK_KIND_SWEEP:
        return BeginSweep(worker);
      case v1::TASK_KIND_PREPARE:
        // The clock begins when it is done; what it takes is the same for all.
        AddFile("calibration.safetensors", worker.result);
        worker.result.mutable_prepare()->set_block_memory_bytes(1);
        if (worker.at_work->spec().method().block_allocation() == v1::BLOCK_ALLOCATION_MEASURED) {
          // Every block takes as long as any other, whatever it loses.
          for (int32_t block = 0; block < scenario_.shape.blocks; ++block) {
            worker.result.mutable_prepare()->add_block_sparsity(worker.at_work->spec().sparsity());
          }
        }
        return;
      case v1::TASK_KIND_EVALUATE_DENSE:
        return BeginEvaluation(worker, scenario_.others.evaluate_dense, /*pruned=*/false);
      case v1::TASK_KIND_EVALUATE_PRUNED:
        return BeginEvaluation(worker, scenario_.others.evaluate_pruned, /*pruned=*/true);
      default:
        throw std::runtime_error(absl::StrCat("no worker is busy with ", v1::TaskKind_Name(worker.at_work->kind())));
    }
  }

  double Forward(const Worker& worker, double share) const {
    return std::max(share * scenario_.shape.forward_seconds / worker.is.speed,
                    scenario_.shape.block_bytes / scenario_.bandwidth.weights_per_second);
  }

  void BeginEvaluation(Worker& worker, double seconds, bool pruned) const {
    v1::Perplexity& text = *worker.result.mutable_evaluation()->add_texts();
    text.set_name(kText);
    text.set_perplexity(1);
    text.set_tokens(1);
    if (pruned) text.set_kl_divergence(0);
    worker.span.end = now_ + seconds + scenario_.others.every_task;
  }

  void BeginBlock(Worker& worker) {
    const Shape& shape = scenario_.shape;
    const v1::Assignment& assignment = *worker.at_work;
    const int32_t block = assignment.block();
    int32_t from = worker.cursor && *worker.cursor <= block ? *worker.cursor : 0;
    double load = 0.0;
    if (!assignment.boundary().parts().empty() && assignment.boundary().block() > from) {
      from = assignment.boundary().block();
      load = shape.boundary_bytes / scenario_.bandwidth.store_per_second;
      outcome_.bytes_read += shape.boundary_bytes;
      ++outcome_.boundaries_read;
    } else if (!worker.cursor || *worker.cursor > block) {
      ++outcome_.starts;
    }
    worker.walked = block - from;
    const double walk = worker.walked * Forward(worker, 1.0);
    const double prune =
        std::max(shape.block_seconds / worker.is.speed, shape.block_bytes / scenario_.bandwidth.weights_per_second);
    const double write = scenario_.writes_beside ? 0.0 : shape.block_bytes / scenario_.bandwidth.store_per_second;
    outcome_.extra_forwards += worker.walked;
    outcome_.bytes_read += (worker.walked + 1) * shape.block_bytes;
    worker.span.block = block;
    worker.span.arrived = now_ + load + walk;
    worker.span.end = worker.span.arrived + prune + write + scenario_.others.every_task;

    AddFile("shard-00000.safetensors", worker.result);
    AddStage("fetch", load, worker.result);
    AddStage("walk", walk, worker.result);
    AddStage("train", prune, worker.result);
    AddStage("write", write, worker.result);
    worker.result.mutable_block()->set_block(block);
    worker.result.mutable_block()->set_weights(1);
  }

  void BeginSweep(Worker& worker) {
    const v1::SweepShare& sweep = worker.at_work->sweep();
    const double share = static_cast<double>(sweep.windows()) / scenario_.windows;
    const int32_t blocks = sweep.boundaries().empty() ? 0 : *sweep.boundaries().rbegin();
    const double walk = blocks * Forward(worker, share);
    const double one = share * scenario_.shape.boundary_bytes / scenario_.bandwidth.store_per_second;
    const double write = sweep.boundaries_size() * one;
    // Writing keeps pace or holds up; the last boundary is written when there is nothing left to walk.
    worker.span.end = now_ + std::max(walk, write - one) + one + scenario_.others.every_task;
    worker.span.arrived = worker.span.end;
    outcome_.extra_forwards += share * blocks;
    outcome_.sweeps.push_back(sweep);
    outcome_.bytes_read += blocks * scenario_.shape.block_bytes;
    worker.cursor.reset();
    for (const int32_t boundary : sweep.boundaries()) {
      AddFile(absl::StrFormat("boundary-%05d.safetensors", boundary), worker.result);
    }
    *worker.result.mutable_sweep()->mutable_share() = sweep;
  }

  void Done(size_t index) {
    Worker& worker = workers_[index];
    coordinator_.Commit(worker.name, *worker.at_work, worker.result);
    const bool appeared = coordinator_.WorkAppeared();
    if (worker.at_work->kind() == v1::TASK_KIND_PRUNE) {
      worker.cursor = worker.at_work->block() + 1;
      outcome_.spans.push_back(worker.span);
    } else if (worker.at_work->kind() == v1::TASK_KIND_SWEEP) {
      outcome_.spans.push_back(worker.span);
    }
    worker.at_work.reset();
    At(now_, What::kAsk, index);
    if (appeared) WakeIdle();
  }

  void Die(size_t index) {
    Worker& worker = workers_[index];
    worker.alive = false;
    if (worker.copying) {
      At(now_ + scenario_.lease_term, What::kExpire, index, std::exchange(worker.copying, std::nullopt));
    }
    if (!worker.at_work) return;
    Span span = worker.span;
    span.end = now_;
    span.arrived = std::min(span.arrived, now_);
    span.lost = true;
    if (worker.at_work->kind() == v1::TASK_KIND_PRUNE) {
      ++outcome_.lost_attempts;
      outcome_.lost_seconds += now_ - span.start;
    }
    outcome_.spans.push_back(span);
    At(now_ + scenario_.lease_term, What::kExpire, index, worker.at_work);
    worker.at_work.reset();
    ++worker.serial;
  }

  void WakeIdle() {
    for (size_t i = 0; i < workers_.size(); ++i) {
      if (workers_[i].alive && !workers_[i].at_work) At(now_, What::kAsk, i);
    }
  }

  const Scenario& scenario_;
  Coordinator coordinator_;
  std::vector<Worker> workers_;
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
  int64_t order_ = 0;
  double now_ = 0.0;
  Outcome outcome_;
};

}  // namespace

Outcome Simulate(const Scenario& scenario) { return Simulation(scenario).Run(); }

std::vector<SimulatedWorker> EqualWorkers(int32_t count) {
  return std::vector<SimulatedWorker>(static_cast<size_t>(count));
}

}  // namespace besa::simulator
