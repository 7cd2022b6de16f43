#include "server/estimate/estimate.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cost/batches.h"
#include "cost/block_flops.h"
#include "cost/job_options.h"
#include "cost/memory_plan.h"
#include "server/simulator/simulation.h"

namespace besa::server {
namespace {

using cost::BlockShape;

// Workers beyond this many are not simulated: blocks run out first.
constexpr int32_t kMostWorkers = 64;
constexpr int64_t kTokenBytes = 4;
// Of allocation.safetensors, a row: its rate and its count.
constexpr int64_t kAllocationBytes = 8;

double Seconds(double work, double rate) { return work > 0 && rate > 0 ? work / rate : 0.0; }

// Seconds of a worker's time at one block, by stage.
struct BlockSeconds {
  double load = 0.0;
  double walk = 0.0;
  double statistics = 0.0;
  double lookahead = 0.0;
  double train = 0.0;
  double solve = 0.0;
  double recover = 0.0;
  // Without moving bytes to the store.
  double write = 0.0;
  // To the store.
  double upload = 0.0;
};

class Estimator {
 public:
  explicit Estimator(const EstimateInput& input)
      : in_(input),
        device_(input.device),
        samples_(input.spec.calibration().samples()),
        length_(input.spec.calibration().sequence_length()),
        blocks_(std::max(1, input.model.blocks())),
        shape_(BlockShape::Of(input.config, 0)),
        options_(cost::ResolveOptions(cost::BesaOptionsOf(input.spec), input.config, samples_)),
        passes_(ForwardPassesOf(options_)),
        looking_ahead_(cost::LooksAhead(options_) ? static_cast<double>(blocks_ - 1) / static_cast<double>(blocks_)
                                                  : 0.0),
        forward_(cost::ForwardFlops(shape_, samples_, length_)),
        block_bytes_(input.bytes.blocks / blocks_) {
    compute_.cuda = device_.cuda;
    compute_.compute = cost::ComputeTypeOf(input.spec)
                           .value_or(device_.cuda ? cost::ComputeType::kBFloat16 : cost::ComputeType::kFloat32);
  }

  v1::EstimateJobResponse Run() {
    block_ = TimeBlock();
    survey_ = TimeSurvey();
    prepare_ = device_.task_seconds + Seconds(static_cast<double>(in_.text_bytes), device_.text_bytes_per_second);
    passthrough_ = device_.passthrough_seconds + 2 * Transfer(in_.bytes.others);
    const int64_t copied = in_.shares_output ? 0 : in_.bytes.blocks + in_.bytes.others;
    publish_ = device_.publish_seconds + Transfer(copied);
    evaluate_dense_ = TimeEvaluations(1);
    evaluate_pruned_ = TimeEvaluations(2);
    outcome_ = SimulateFleet();
    Answer();
    AddStages();
    AddMemory();
    AddBasis();
    return std::move(response_);
  }

 private:
  double Transfer(int64_t bytes) const { return Seconds(static_cast<double>(bytes), in_.bytes_per_second); }
  bool sequential() const { return options_.schedule == cost::Schedule::kSequential; }
  bool stores() const { return in_.activations == v1::ACTIVATIONS_STORED; }

  // A walk of all windows through a block: its weights, and the pass.
  double WalkSeconds() const { return device_.load_seconds + Transfer(block_bytes_) + Seconds(forward_, device_.walk); }

  // Of what takes `of(whether it looks ahead)` in a block.
  template <class Of>
  double MeanOfBlocks(const Of& of) const {
    return std::lerp(of(false), of(true), looking_ahead_);
  }

  // `step`: what each step takes beyond its arithmetic.
  double TrainingSeconds(int64_t passes, int64_t batch, double pass_flops, double rate, double step) const {
    if (passes == 0) return 0.0;
    const int64_t steps = passes * ((samples_ + batch - 1) / std::max<int64_t>(1, batch));
    return Seconds(static_cast<double>(passes) * pass_flops, rate) + static_cast<double>(steps) * step;
  }

  BlockSeconds TimeBlock() const {
    BlockSeconds block;
    // The bytes come while the block before is computed: see SimulateFleet.
    block.load = device_.load_seconds;
    block.statistics = Seconds(forward_, device_.forward);
    if (passes_.dense_stream) block.statistics += Seconds(forward_, device_.walk);
    block.walk = passes_.walk * WalkSeconds();
    if (cost::ObservesAhead(options_)) {
      // In the pass that the block's statistics are taken in: only a worker's first block has one of its own.
      const double first = static_cast<double>(std::min<int64_t>(in_.workers, blocks_)) / static_cast<double>(blocks_);
      block.lookahead = looking_ahead_ * Seconds(forward_, device_.forward);
      block.statistics *= first;
    } else {
      block.lookahead = looking_ahead_ * (device_.load_seconds + Seconds(forward_, device_.walk));
    }
    if (options_.method == cost::Method::kBesa) {
      block.train = TrainingSeconds(options_.epochs, options_.batch_size, MeanOfBlocks([this](bool ahead) {
                                      return cost::AllocationPassFlops(shape_, samples_, length_, options_, ahead);
                                    }),
                                    device_.training, device_.training_step_seconds);
    } else if (options_.method == cost::Method::kSparseGpt) {
      block.solve = Seconds(cost::SolvingFlops(shape_, samples_, length_), device_.solving);
    }
    block.recover = TrainingSeconds(
        options_.recovery.epochs, options_.recovery.batch_size,
        MeanOfBlocks([this](bool ahead) { return cost::RecoveryPassFlops(shape_, samples_, length_, ahead); }),
        device_.recovery, device_.recovery_step_seconds);
    const int64_t measured = cost::FinalLossSamples(samples_, length_);
    block.write = device_.write_seconds + Seconds(cost::ForwardFlops(shape_, measured, length_), device_.walk) +
                  Seconds(static_cast<double>(block_bytes_), device_.copy_bytes_per_second);
    block.upload = Transfer(block_bytes_);
    return block;
  }

  bool surveys() const { return in_.spec.method().block_allocation() == v1::BLOCK_ALLOCATION_MEASURED; }

  // The look at every block before the first is pruned (Engine::SurveyBlocks): what it takes to prune each, and the
  // walks of all streams that there are by then; at the end the head, once a stream.
  double TimeSurvey() const {
    if (!surveys()) return 0.0;
    const int64_t windows = cost::SurveyedWindows(samples_, length_);
    const int64_t together = cost::SurveyedTogether(blocks_);
    int64_t forwards = 0;
    for (int64_t block = 0; block < blocks_; ++block) forwards += 3 + block / together;
    const double head = 2.0 * static_cast<double>(windows * length_) * static_cast<double>(in_.config.vocab_size) *
                        static_cast<double>(in_.config.hidden_size);
    const double flops = static_cast<double>(forwards) * cost::ForwardFlops(shape_, windows, length_) +
                         static_cast<double>(1 + cost::SurveyedGroups(blocks_)) * head;
    return static_cast<double>(blocks_) * (device_.load_seconds + Transfer(block_bytes_)) +
           Seconds(flops, device_.walk);
  }
  int64_t SurveyBytes() const {
    return surveys() ? in_.bytes.blocks + in_.bytes.embeddings + in_.bytes.head : int64_t{0};
  }

  // Evaluating one model, or both side by side.
  double TimeEvaluations(int models) const {
    double seconds = 0.0;
    for (size_t i = 0; i < in_.evaluation_windows.size(); ++i) {
      const int64_t length = in_.spec.evaluations(static_cast<int>(i)).sequence_length();
      const double flops = models * EvaluationFlops(in_.config, in_.evaluation_windows[i], length);
      seconds += Seconds(flops, device_.evaluation);
    }
    return seconds + Transfer(EvaluationBytes(models));
  }

  // Weights are read anew for every group of windows; of what lies outside the blocks, two models share one.
  int64_t EvaluationBytes(int models) const {
    int64_t bytes = 0;
    for (size_t i = 0; i < in_.evaluation_windows.size(); ++i) {
      const int64_t length = in_.spec.evaluations(static_cast<int>(i)).sequence_length();
      const int64_t group = cost::EvaluationGroup(length);
      const int64_t groups = (in_.evaluation_windows[i] + group - 1) / group;
      bytes += groups * (models * in_.bytes.blocks + in_.bytes.embeddings + in_.bytes.head);
      bytes += in_.evaluation_windows[i] * length * kTokenBytes;
    }
    return bytes;
  }

  int64_t BoundaryBytes() const {
    const int64_t element = compute_.compute == cost::ComputeType::kBFloat16 ? 2 : 4;
    return samples_ * length_ * shape_.hidden * element;
  }

  simulator::Outcome SimulateFleet() const {
    simulator::Scenario scenario;
    const BlockSeconds& block = block_;
    scenario.shape = {.blocks = static_cast<int32_t>(blocks_),
                      .block_seconds = block.load + block.walk + block.statistics + block.lookahead + block.train +
                                       block.solve + block.recover + block.write,
                      .forward_seconds = WalkSeconds(),
                      .block_bytes = static_cast<double>(block_bytes_),
                      .boundary_bytes = static_cast<double>(BoundaryBytes())};
    // What a block waits for its weights is in the seconds above, unless they take longer than the block before. In the
    // independent schedule its results are written beside the next one. Only sweeps, each a share of a walk, read for
    // longer than that.
    scenario.writes_beside = !sequential();
    scenario.bandwidth = {.weights_per_second = in_.bytes_per_second, .store_per_second = in_.bytes_per_second};
    scenario.others = {.passthrough = passthrough_,
                       .evaluate_dense = evaluate_dense_,
                       .evaluate_pruned = evaluate_pruned_,
                       .every_task = device_.task_seconds};
    scenario.schedule = sequential() ? v1::SCHEDULE_SEQUENTIAL : v1::SCHEDULE_INDEPENDENT;
    scenario.activations = in_.activations;
    scenario.windows = static_cast<int32_t>(samples_);
    scenario.window_tokens = static_cast<int32_t>(length_);
    scenario.workers = simulator::EqualWorkers(std::min(in_.workers, kMostWorkers));
    return simulator::Simulate(scenario);
  }

  void Answer() {
    *response_.mutable_spec() = in_.spec;
    *response_.mutable_model() = in_.model;
    response_.set_activations(in_.activations);
    response_.set_workers(in_.workers);
    response_.set_device(device_.model);
    // In the sequential schedule the first block has none before it to walk through.
    response_.set_prune_seconds(outcome_.seconds - block_.walk);
    response_.set_seconds(prepare_ + survey_ + outcome_.all_seconds - block_.walk + publish_);
    response_.set_repeated_forwards(outcome_.extra_forwards);
  }

  void AddStage(const char* name, double seconds, int64_t read, int64_t written, bool beside = false) {
    if (seconds <= 0 && read == 0 && written == 0) return;
    v1::StageEstimate& stage = *response_.add_stages();
    stage.set_stage(name);
    stage.set_seconds(seconds);
    stage.set_bytes_read(read);
    stage.set_bytes_written(written);
    stage.set_beside(beside);
    response_.set_bytes_read(response_.bytes_read() + read);
    response_.set_bytes_written(response_.bytes_written() + written);
  }

  void AddStages() {
    const BlockSeconds& block = block_;
    const int64_t tokens = samples_ * length_ * kTokenBytes;
    int64_t evaluation_tokens = 0;
    for (size_t i = 0; i < in_.evaluation_windows.size(); ++i) {
      evaluation_tokens +=
          in_.evaluation_windows[i] * in_.spec.evaluations(static_cast<int>(i)).sequence_length() * kTokenBytes;
    }
    // Texts are hashed whole, then read.
    AddStage("prepare", prepare_, in_.bytes.headers + in_.bytes.companions + in_.bytes.tokenizer + 2 * in_.text_bytes,
             tokens + evaluation_tokens);
    if (surveys()) AddStage("survey", survey_, SurveyBytes(), 0);

    const int64_t boundaries = stores() ? StoredBoundaries() : 0;
    const double sweeps = stores() ? SweptBlocks() : 0.0;
    const int64_t stored = boundaries * BoundaryBytes();
    if (stores()) {
      const int64_t sweeping = SweepShares();
      const int64_t weights = std::llround(sweeps) * block_bytes_;
      AddStage("sweep", static_cast<double>(sweeping) * device_.task_seconds + SweepSeconds(sweeps),
               weights + sweeping * (in_.bytes.embeddings + in_.bytes.headers + tokens), 0);
      AddStage("store", Transfer(stored), 0, stored, /*beside=*/true);
      const int64_t fetched = outcome_.boundaries_read * BoundaryBytes();
      AddStage("fetch", Transfer(fetched), fetched, 0);
      response_.set_activation_bytes(stored + fetched);
    }
    AddStage("load", static_cast<double>(blocks_) * (block.load + Transfer(block_bytes_)),
             in_.bytes.blocks + blocks_ * (in_.bytes.headers + tokens), 0, /*beside=*/true);
    AddWalks();
    AddStage("statistics", static_cast<double>(blocks_) * block.statistics, 0, 0);
    AddStage("lookahead", static_cast<double>(blocks_) * block.lookahead, 0, 0);
    AddStage("train", static_cast<double>(blocks_) * block.train, 0, 0);
    AddStage("solve", static_cast<double>(blocks_) * block.solve, 0, 0);
    AddStage("recover", static_cast<double>(blocks_) * block.recover, 0, 0);
    AddStage("write", static_cast<double>(blocks_) * block.write, 0, 0);
    AddStage("upload", static_cast<double>(blocks_) * block.upload, 0,
             in_.bytes.blocks + blocks_ * shape_.TotalRows() * kAllocationBytes, /*beside=*/!sequential());
    AddStage("passthrough", passthrough_, in_.bytes.others + in_.bytes.headers, in_.bytes.others, /*beside=*/true);
    if (!in_.evaluation_windows.empty()) {
      AddStage("evaluate", evaluate_dense_ + evaluate_pruned_,
               EvaluationBytes(1) + EvaluationBytes(2) + 2 * in_.bytes.headers, 0);
    }
    AddStage("publish", publish_, 0, 0);
  }

  void AddWalks() {
    // Sweeps are counted apart.
    const double swept = stores() ? SweptForwards() : 0.0;
    const double walked = std::max(0.0, outcome_.extra_forwards - swept);
    const int32_t streams = sequential() && cost::TakesDenseStream(options_) ? 2 : 1;
    // Through the committed blocks, all but the last.
    const int64_t committed = passes_.walk * (in_.bytes.blocks - block_bytes_);
    AddStage("walk", walked * WalkSeconds() + static_cast<double>(blocks_ - 1) * block_.walk,
             std::llround(walked) * block_bytes_ + outcome_.starts * streams * in_.bytes.embeddings + committed, 0);
  }

  // Of the sweeps, as planned for so many workers: see simulation.h, which has planned them.
  int64_t SweepShares() const { return static_cast<int64_t>(outcome_.sweeps.size()); }
  int64_t StoredBoundaries() const { return outcome_.sweeps.empty() ? 0 : outcome_.sweeps.front().boundaries_size(); }
  // Blocks whose weights the sweeps read.
  double SweptBlocks() const {
    double blocks = 0.0;
    for (const v1::SweepShare& share : outcome_.sweeps) {
      if (!share.boundaries().empty()) blocks += *share.boundaries().rbegin();
    }
    return blocks;
  }
  // The same in passes of all windows.
  double SweptForwards() const {
    double forwards = 0.0;
    for (const v1::SweepShare& share : outcome_.sweeps) {
      if (share.boundaries().empty()) continue;
      forwards += *share.boundaries().rbegin() * static_cast<double>(share.windows()) / static_cast<double>(samples_);
    }
    return forwards;
  }
  double SweepSeconds(double blocks) const {
    return blocks * (device_.load_seconds + Transfer(block_bytes_)) + SweptForwards() * Seconds(forward_, device_.walk);
  }

  void AddMemory() {
    cost::MemoryPlan plan = cost::PlanPruning(in_.config, samples_, length_, options_, compute_);
    std::stable_sort(plan.parts.begin(), plan.parts.end(),
                     [](const auto& a, const auto& b) { return a.bytes > b.bytes; });
    for (const cost::MemoryPlan::Part& part : plan.parts) {
      if (part.bytes == 0) continue;
      v1::MemoryPart& shown = *response_.add_memory();
      shown.set_name(part.name);
      shown.set_bytes(part.bytes);
    }
    response_.set_block_memory_bytes(plan.Total());
    int64_t evaluation = 0;
    for (const v1::EvaluationSpec& text : in_.spec.evaluations()) {
      const int64_t group = cost::EvaluationGroup(text.sequence_length());
      const int64_t length = text.sequence_length();
      evaluation = std::max({evaluation, cost::PlanEvaluation(in_.config, group, length, compute_).Total(),
                             cost::PlanComparison(in_.config, group, length, compute_).Total()});
    }
    response_.set_evaluation_memory_bytes(evaluation);
  }

  void AddBasis() {
    for (const std::string& sentence : device_.basis) response_.add_basis(sentence);
    for (const std::string& sentence : in_.basis) response_.add_basis(sentence);
    response_.add_basis(absl::StrFormat(
        "a worker moves %.3g GB/s to and from the store (--worker-bandwidth), and keeps none of it in a cache",
        in_.bytes_per_second * 1e-9));
    if (device_.text_bytes_per_second <= 0) {
      response_.add_basis("turning texts into tokens is not counted: nobody has measured it here");
    }
    if (options_.method == cost::Method::kSparseGpt && device_.solving <= 0) {
      response_.add_basis("SparseGPT's solving is not counted: it has not been measured on this device");
    }
    if (in_.workers > kMostWorkers) {
      response_.add_basis(absl::StrCat("more than ", kMostWorkers, " workers are taken to be as fast as that many"));
    }
  }

  const EstimateInput& in_;
  const cost::DeviceProfile& device_;
  const int64_t samples_;
  const int64_t length_;
  const int64_t blocks_;
  const BlockShape shape_;
  const cost::BesaOptions options_;
  const ForwardPasses passes_;
  // The share of the blocks that look ahead: all but the last, or none.
  const double looking_ahead_;
  // FLOPs of a forward pass of all windows through a block.
  const double forward_;
  const int64_t block_bytes_;
  cost::ComputePlan compute_;

  BlockSeconds block_;
  double prepare_ = 0.0;
  double survey_ = 0.0;
  double passthrough_ = 0.0;
  double publish_ = 0.0;
  double evaluate_dense_ = 0.0;
  double evaluate_pruned_ = 0.0;
  simulator::Outcome outcome_;
  v1::EstimateJobResponse response_;
};

}  // namespace

v1::EstimateJobResponse Estimate(const EstimateInput& input) { return Estimator(input).Run(); }

ForwardPasses ForwardPassesOf(const cost::BesaOptions& options) {
  if (!cost::TakesPrunedStream(options)) return {};
  return {.walk = 1, .dense_stream = cost::TakesDenseStream(options)};
}

double EvaluationFlops(const storage::ModelConfig& config, int64_t windows, int64_t length) {
  const double blocks = cost::ForwardFlops(BlockShape::Of(config, 0), windows, length);
  const double head = cost::ForwardFlops(config.vocab_size * config.hidden_size, 0, windows, length);
  return static_cast<double>(config.num_hidden_layers) * blocks + head;
}

}  // namespace besa::server
