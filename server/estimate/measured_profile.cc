#include "server/estimate/measured_profile.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "cost/batches.h"
#include "cost/block_flops.h"
#include "cost/job_options.h"
#include "proto/time.h"
#include "server/estimate/estimate.h"

namespace besa::server {
namespace {

using cost::BlockShape;

double StageSum(const v1::TaskResult& result, absl::string_view name) {
  double sum = 0.0;
  for (const v1::StageSeconds& stage : result.stages()) {
    if (stage.stage() == name) sum += stage.seconds();
  }
  return sum;
}

const v1::Attempt* Winner(const v1::Task& task) {
  for (const v1::Attempt& attempt : task.attempts()) {
    if (attempt.number() == task.result().attempt()) return &attempt;
  }
  return nullptr;
}

// Of a block's results: enough for everything that FLOPs are counted by. Heads of one are as good as any.
std::optional<BlockShape> ShapeOf(const v1::BlockResult& block) {
  if (block.linears_size() != cost::kLinears) return std::nullopt;
  return BlockShape{.hidden = block.linears(cost::kQ).cols(),
                    .intermediate = block.linears(cost::kGate).rows(),
                    .heads = block.linears(cost::kQ).rows(),
                    .kv_heads = block.linears(cost::kK).rows(),
                    .head_dim = 1};
}

int64_t FileBytes(const v1::TaskResult& result) {
  int64_t bytes = 0;
  for (const v1::File& file : result.files()) bytes += file.size();
  return bytes;
}

// Seconds a piece of work: the median over tasks, so that one that was held up by something else decides nothing. Of
// the jobs nearest to what is asked for; those further away do not count.
class Figure {
 public:
  void Add(double distance, double work, double seconds) {
    if (work <= 0 || seconds < 0 || (!seconds_.empty() && distance > distance_ + kSame)) return;
    distance_ = distance;
    seconds_.push_back(seconds / work);
  }
  double Median() const {
    if (seconds_.empty()) return 0.0;
    std::vector<double> sorted = seconds_;
    const auto middle = sorted.begin() + std::ssize(sorted) / 2;
    std::ranges::nth_element(sorted, middle);
    return *middle;
  }
  // Work a second; `otherwise` if there is none.
  double Rate(double otherwise) const { return given() ? 1 / Median() : otherwise; }
  bool given() const { return Median() > 0; }

 private:
  static constexpr double kSame = 1e-9;
  double distance_ = 0.0;
  std::vector<double> seconds_;
};

class Reader {
 public:
  Reader(const DeviceClass& device, const BlockShape& shape, double bytes_per_second)
      : device_(device), weights_(static_cast<double>(shape.TotalWeights())), bytes_per_second_(bytes_per_second) {}

  // The blocks of `job`, if any were pruned on the device. Jobs come in the order of their distance.
  void Read(const EarlierJob& job, double distance) {
    distance_ = distance;
    const std::map<int32_t, std::string> workers = WorkersOf(job);
    for (const v1::Task& task : job.tasks) {
      if (task.state() != v1::TASK_STATE_COMMITTED || !IsOf(task.result(), device_)) continue;
      ReadTask(job, task, workers);
    }
    ReadPublishing(job);
  }

  std::optional<cost::DeviceProfile> Finish() const {
    if (blocks_ == 0) return std::nullopt;
    cost::DeviceProfile profile{.model = device_.model, .cuda = device_.cuda};
    profile.forward = forward_.Rate(only_sparsegpt_.Rate(0));
    profile.walk = walk_.Rate(profile.forward);
    profile.training = training_.Rate(recovery_.Rate(profile.forward));
    profile.training_step_seconds = step_.Median() * weights_;
    profile.recovery = recovery_.Rate(profile.training);
    // What was measured has its steps in it.
    profile.recovery_step_seconds = recovery_.given() ? 0.0 : profile.training_step_seconds;
    profile.evaluation = evaluation_.Rate(profile.walk);
    profile.solving = solving_.Rate(0);
    profile.load_seconds = load_.Median();
    profile.write_seconds = write_.Median();
    profile.passthrough_seconds = passthrough_.Median();
    profile.publish_seconds = publish_.Median();
    profile.task_seconds = task_.Median();
    profile.text_bytes_per_second = text_.Rate(0);
    profile.basis = Basis();
    return profile;
  }

 private:
  double Transfer(double bytes) const { return bytes_per_second_ > 0 ? bytes / bytes_per_second_ : 0.0; }

  static std::map<int32_t, std::string> WorkersOf(const EarlierJob& job) {
    std::map<int32_t, std::string> workers;
    for (const v1::Task& task : job.tasks) {
      const v1::Attempt* const attempt = Winner(task);
      if (task.kind() == v1::TASK_KIND_PRUNE && attempt != nullptr) workers[task.block()] = attempt->worker();
    }
    return workers;
  }

  void ReadTask(const EarlierJob& job, const v1::Task& task, const std::map<int32_t, std::string>& workers) {
    const v1::TaskResult& result = task.result();
    switch (task.kind()) {
      case v1::TASK_KIND_PRUNE:
        ReadBlock(job.job, task, workers);
        break;
      case v1::TASK_KIND_PREPARE:
        text_.Add(distance_, TextBytes(job.job.spec(), result.prepare()), StageSum(result, "prepare"));
        break;
      case v1::TASK_KIND_PASSTHROUGH:
        passthrough_.Add(distance_, 1, std::max(0.0, StageSum(result, "write") - 2 * Transfer(FileBytes(result))));
        break;
      case v1::TASK_KIND_EVALUATE_DENSE:
      case v1::TASK_KIND_EVALUATE_PRUNED:
        ReadEvaluation(job, task);
        break;
      default:
        break;
    }
    const v1::Attempt* const attempt = Winner(task);
    if (attempt == nullptr) return;
    double seconds = absl::ToDoubleSeconds(FromProto(attempt->end_time()) - FromProto(attempt->start_time()));
    for (const v1::StageSeconds& stage : result.stages()) seconds -= stage.seconds();
    task_.Add(distance_, 1, std::max(0.0, seconds));
  }

  void ReadBlock(const v1::Job& job, const v1::Task& task, const std::map<int32_t, std::string>& workers) {
    const v1::TaskResult& result = task.result();
    const std::optional<BlockShape> shape = ShapeOf(result.block());
    if (!shape) return;
    const int64_t samples = job.spec().calibration().samples();
    const int64_t length = job.spec().calibration().sequence_length();
    const cost::BesaOptions options = cost::ResolveOptions(cost::BesaOptionsOf(job.spec()), {}, samples);
    const ForwardPasses passes = ForwardPassesOf(options);
    const double forward = cost::ForwardFlops(*shape, samples, length);
    const bool ahead = cost::LooksAhead(options) && task.block() + 1 < job.model().blocks();
    const auto bytes = static_cast<double>(FileBytes(result));

    ReadWalk(task, passes, forward, bytes, workers);
    // Of the pass that takes statistics alone: the dense stream's is as fast as a walk.
    const double statistics = StatisticsSeconds(result, options, passes, forward);
    if (options.method == cost::Method::kSparseGpt) {
      // Its Hessians are made in the pass that takes statistics: what is beyond a forward pass is solving.
      const double alone = forward_.given() ? forward / forward_.Rate(0) : 0.0;
      const double both = statistics + StageSum(result, "solve");
      solving_.Add(distance_, cost::SolvingFlops(*shape, samples, length), std::max(0.0, both - alone));
      if (!forward_.given()) only_sparsegpt_.Add(distance_, forward, statistics);
    } else {
      forward_.Add(distance_, forward, statistics);
    }
    if (options.method == cost::Method::kBesa) {
      const double pass = cost::AllocationPassFlops(*shape, samples, length, options, ahead);
      ReadTraining(static_cast<double>(options.epochs) * pass, forward / statistics,
                   options.epochs * ((samples + options.batch_size - 1) / options.batch_size), *shape, result);
    }
    const double recovery_pass = cost::RecoveryPassFlops(*shape, samples, length, ahead);
    recovery_.Add(distance_, static_cast<double>(options.recovery.epochs) * recovery_pass, StageSum(result, "recover"));
    load_.Add(distance_, 1, std::max(0.0, StageSum(result, "load") - Transfer(bytes)));
    const double rate = walk_.Rate(forward_.Rate(0));
    const int64_t measured = cost::FinalLossSamples(samples, length);
    const double loss = rate > 0 ? cost::ForwardFlops(*shape, measured, length) / rate : 0.0;
    // Workers of earlier versions wrote to the store in this stage.
    const double stored = StageSum(result, "upload") > 0 ? 0.0 : Transfer(bytes);
    write_.Add(distance_, 1, std::max(0.0, StageSum(result, "write") - stored - loss));
    ++blocks_;
    jobs_.insert(job.name());
    nearest_ = blocks_ == 1 ? static_cast<double>(shape->TotalWeights()) : nearest_;
  }

  // In the sequential schedule: who pruned the block before walked through that one alone.
  void ReadWalk(const v1::Task& task, const ForwardPasses& passes, double forward, double bytes,
                const std::map<int32_t, std::string>& workers) {
    const auto before = workers.find(task.block() - 1);
    const v1::Attempt* const attempt = Winner(task);
    if (passes.walk == 0 || before == workers.end() || attempt == nullptr) return;
    if (before->second != attempt->worker()) return;
    const double reading = load_.Median() + Transfer(bytes);
    walk_.Add(distance_, passes.walk * forward, std::max(0.0, StageSum(task.result(), "walk") - reading));
  }

  // Of the pass that takes statistics alone: that of the dense stream, which has none, is a walk.
  double StatisticsSeconds(const v1::TaskResult& result, const cost::BesaOptions& options, const ForwardPasses& passes,
                           double forward) const {
    const double seconds = StageSum(result, "statistics");
    if (cost::ObservesAhead(options)) {
      // As a rule it was made ahead of the block. The one made ahead here is the next block's, and takes as long.
      const double ahead = StageSum(result, "lookahead");
      return ahead > 0 ? ahead : forward_.given() ? forward * forward_.Median() : seconds;
    }
    if (!passes.dense_stream) return seconds;
    const double walk = walk_.given() ? forward * walk_.Median() : seconds / 2;
    return std::max(seconds / 2, seconds - walk);
  }

  // FLOPs of all steps; `rate`: of the block's forward pass.
  void ReadTraining(double training, double rate, int64_t steps, const BlockShape& shape,
                    const v1::TaskResult& result) {
    const double seconds = StageSum(result, "train");
    if (seconds <= 0 || !std::isfinite(rate)) return;
    const double arithmetic = std::min(seconds, training / rate);
    training_.Add(distance_, training, arithmetic);
    step_.Add(distance_, static_cast<double>(steps) * static_cast<double>(shape.TotalWeights()), seconds - arithmetic);
  }

  void ReadEvaluation(const EarlierJob& job, const v1::Task& task) {
    // The shape is that of the job's blocks.
    const auto block = std::ranges::find_if(
        job.tasks, [](const v1::Task& other) { return other.result().block().linears_size() == cost::kLinears; });
    if (block == job.tasks.end()) return;
    const BlockShape shape = *ShapeOf(block->result().block());
    const int models = task.kind() == v1::TASK_KIND_EVALUATE_PRUNED ? 2 : 1;
    const v1::ModelSummary& model = job.job.model();
    double flops = 0.0;
    for (const v1::Perplexity& text : task.result().evaluation().texts()) {
      const double blocks = cost::ForwardFlops(shape, text.windows(), text.sequence_length());
      const double head = cost::ForwardFlops(HeadWeights(job), 0, text.windows(), text.sequence_length());
      flops += models * (model.blocks() * blocks + head);
    }
    const double reading = Transfer(static_cast<double>(models * task.result().evaluation().texts_size()) *
                                    static_cast<double>(model.bytes()));
    evaluation_.Add(distance_, flops, std::max(0.0, StageSum(task.result(), "evaluate") - reading));
  }

  // What lies outside the blocks is the embeddings and, unless it is the same, the head, both of one size.
  static int64_t HeadWeights(const EarlierJob& job) {
    const int64_t outside = job.job.model().parameters() - job.job.model().prunable_parameters();
    const bool own_head = std::ranges::any_of(job.tasks, [](const v1::Task& task) {
      const auto& tensors = task.result().passthrough().tensors();
      return std::ranges::find(tensors, "lm_head.weight") != tensors.end();
    });
    return own_head ? outside / 2 : outside;
  }

  void ReadPublishing(const EarlierJob& job) {
    absl::Time last = absl::InfinitePast();
    for (const v1::Task& task : job.tasks) {
      const v1::Attempt* const attempt = Winner(task);
      if (attempt != nullptr) last = std::max(last, FromProto(attempt->end_time()));
    }
    if (last == absl::InfinitePast() || !job.job.has_end_time()) return;
    const double seconds = absl::ToDoubleSeconds(FromProto(job.job.end_time()) - last);
    publish_.Add(distance_, 1, std::max(0.0, seconds - Transfer(static_cast<double>(job.job.model().bytes()))));
  }

  static double TextBytes(const v1::JobSpec& spec, const v1::PrepareResult& prepare) {
    std::set<std::string> texts(spec.calibration().uris().begin(), spec.calibration().uris().end());
    for (const v1::EvaluationSpec& text : spec.evaluations()) texts.insert(text.uris().begin(), text.uris().end());
    int64_t bytes = 0;
    for (const v1::InputFingerprint& input : prepare.inputs()) {
      if (texts.contains(input.uri())) bytes += input.size();
    }
    return static_cast<double>(bytes);
  }

  std::vector<std::string> Basis() const {
    std::vector<std::string> basis = {absl::StrFormat("%s, %s%s: as measured on %d blocks of %s", device_.model,
                                                      device_.bfloat16 ? "bfloat16" : "float32", Threads(), blocks_,
                                                      absl::StrJoin(jobs_, ", "))};
    if (std::abs(std::log(nearest_ / weights_)) > 0.05) {
      basis.push_back(absl::StrFormat("the nearest blocks measured have %.4g million weights, this model's %.4g",
                                      nearest_ * 1e-6, weights_ * 1e-6));
    }
    return basis;
  }
  std::string Threads() const {
    return device_.cuda || device_.threads == 0 ? "" : absl::StrCat(", threads ", device_.threads);
  }

  const DeviceClass& device_;
  const double weights_;
  const double bytes_per_second_;
  double distance_ = 0.0;
  Figure forward_;
  Figure only_sparsegpt_;
  Figure walk_;
  Figure training_;
  // Seconds a step and weight.
  Figure step_;
  Figure recovery_;
  Figure evaluation_;
  Figure solving_;
  Figure load_;
  Figure write_;
  Figure passthrough_;
  Figure publish_;
  Figure task_;
  Figure text_;
  int blocks_ = 0;
  std::set<std::string> jobs_;
  double nearest_ = 0.0;
};

// In the sequential schedule one worker computes at a time, so that those that share a machine do not hold each other
// up: among jobs of about the same size those of the same schedule are nearer.
constexpr double kOtherSchedule = 0.02;

}  // namespace

double DistanceOf(const v1::ModelSummary& model, const BlockShape& shape) {
  const double weights = static_cast<double>(model.prunable_parameters()) / std::max(1, model.blocks());
  return std::abs(std::log(std::max(1.0, weights) / std::max<double>(1, static_cast<double>(shape.TotalWeights()))));
}

bool IsOf(const v1::TaskResult& result, const DeviceClass& device) {
  // "cpu; MODEL; float32; LibTorch 2.11.0; AVX512; threads 1"
  const std::vector<std::string> parts = absl::StrSplit(result.numerics(), "; ");
  if (parts.size() < 3 || parts[0] != (device.cuda ? "cuda" : "cpu") || parts[1] != device.model) return false;
  if (parts[2] != (device.bfloat16 ? "bfloat16" : "float32")) return false;
  return device.cuda || device.threads == 0 || parts.back() == absl::StrCat("threads ", device.threads);
}

std::optional<cost::DeviceProfile> MeasuredProfile(const std::vector<EarlierJob>& jobs, const DeviceClass& device,
                                                   const BlockShape& shape, v1::Schedule schedule,
                                                   double bytes_per_second) {
  struct Near {
    double distance = 0.0;
    // What others say of forward passes has to be known before.
    bool sparsegpt = false;
    const EarlierJob* job = nullptr;
  };
  std::vector<Near> near;
  for (const EarlierJob& job : jobs) {
    const bool same =
        (job.job.spec().method().schedule() == v1::SCHEDULE_SEQUENTIAL) == (schedule == v1::SCHEDULE_SEQUENTIAL);
    near.push_back({.distance = DistanceOf(job.job.model(), shape) + (same ? 0.0 : kOtherSchedule),
                    .sparsegpt = job.job.spec().method().method() == v1::METHOD_SPARSEGPT,
                    .job = &job});
  }
  std::ranges::stable_sort(near, {}, [](const Near& one) { return std::pair(one.distance, one.sparsegpt); });
  Reader reader(device, shape, bytes_per_second);
  for (const Near& one : near) reader.Read(*one.job, one.distance);
  return reader.Finish();
}

}  // namespace besa::server
