#include "server/metrics/fleet_families.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "google/protobuf/util/time_util.h"
#include "proto/time.h"
#include "server/metrics/labels.h"
#include "telemetry/sample.h"

namespace besa::server {
namespace {

using google::protobuf::util::TimeUtil;
using Samples = std::vector<Sample>;

constexpr int kTexts = 3;

bool HasEnded(v1::JobState state) {
  return state == v1::JOB_STATE_SUCCEEDED || state == v1::JOB_STATE_FAILED || state == v1::JOB_STATE_CANCELLED;
}

Samples Counts(const std::map<std::map<std::string, std::string>, int>& counts) {
  Samples samples;
  for (const auto& [labels, count] : counts) samples.push_back({labels, static_cast<double>(count)});
  return samples;
}

Samples JobsByState(const std::vector<ShownJob>& jobs) {
  std::map<std::map<std::string, std::string>, int> counts;
  for (int state = v1::JobState_MIN; state <= v1::JobState_MAX; ++state) {
    if (!v1::JobState_IsValid(state) || state == v1::JOB_STATE_UNSPECIFIED) continue;
    const auto known = static_cast<v1::JobState>(state);
    if (!HasEnded(known)) counts[{{"state", StateLabel(known)}}] = 0;
  }
  for (const ShownJob& shown : jobs) {
    if (!HasEnded(shown.job.state())) ++counts[{{"state", StateLabel(shown.job.state())}}];
  }
  return Counts(counts);
}

Samples TasksByState(const std::vector<ShownJob>& jobs) {
  std::map<std::map<std::string, std::string>, int> counts;
  for (const v1::TaskState state :
       {v1::TASK_STATE_BLOCKED, v1::TASK_STATE_PENDING, v1::TASK_STATE_LEASED, v1::TASK_STATE_COMMITTED}) {
    counts[{{"kind", "PRUNE"}, {"state", StateLabel(state)}}] = 0;
  }
  for (const ShownJob& shown : jobs) {
    if (HasEnded(shown.job.state())) continue;
    for (const v1::Task& task : shown.tasks) {
      ++counts[{{"kind", KindLabel(task.kind())}, {"state", StateLabel(task.state())}}];
    }
  }
  return Counts(counts);
}

Samples WorkersByState(const std::vector<v1::Worker>& workers) {
  std::map<std::map<std::string, std::string>, int> counts;
  for (const char* state : {"IDLE", "BUSY", "LOST", "DRAINING"}) counts[{{"state", state}}] = 0;
  for (const v1::Worker& worker : workers) {
    const bool draining = worker.draining() && worker.state() != v1::WORKER_STATE_LOST;
    ++counts[{{"state", draining ? "DRAINING" : StateLabel(worker.state())}}];
  }
  return Counts(counts);
}

double MeanLoss(const std::vector<v1::Task>& tasks) {
  double sum = 0;
  int blocks = 0;
  for (const v1::Task& task : tasks) {
    if (!task.result().has_block()) continue;
    sum += task.result().block().final_loss();
    ++blocks;
  }
  return blocks == 0 ? 0.0 : sum / blocks;
}

double Share(const v1::TaskProgress& progress) {
  if (progress.steps() <= 0) return 0;
  return std::clamp(static_cast<double>(progress.step()) / static_cast<double>(progress.steps()), 0.0, 1.0);
}

// Series of single jobs.
struct JobSamples {
  Samples info, blocks, committed, sparsity, loss, age, eta, perplexity;
  Samples block_progress, block_loss;

  void Add(const ShownJob& shown, absl::Time now) {
    const v1::Job& job = shown.job;
    const std::map<std::string, std::string> labels = {{"job_name", job.name()}};
    info.push_back(
        {{{"job_name", job.name()}, {"display_name", job.spec().display_name()}, {"state", StateLabel(job.state())}},
         1});
    blocks.push_back({labels, static_cast<double>(job.progress().blocks_total())});
    committed.push_back({labels, static_cast<double>(job.progress().blocks_committed())});
    if (job.progress().blocks_committed() > 0) {
      sparsity.push_back({labels, job.progress().sparsity()});
      loss.push_back({labels, MeanLoss(shown.tasks)});
    }
    age.push_back({labels, absl::ToDoubleSeconds(now - FromProto(job.create_time()))});
    if (job.progress().has_eta()) {
      eta.push_back({labels, static_cast<double>(TimeUtil::DurationToMilliseconds(job.progress().eta())) / 1000.0});
    }
    for (int i = 0; i < std::min(kTexts, job.result().evaluations_size()); ++i) {
      AddPerplexity(job.name(), job.result().evaluations(i));
    }
  }

  void AddPerplexity(const std::string& job, const v1::TextEvaluation& text) {
    const auto add = [&](const char* model, const v1::Perplexity& measured) {
      perplexity.push_back({{{"job_name", job}, {"text", text.name()}, {"model", model}}, measured.perplexity()});
    };
    if (text.has_dense()) add("dense", text.dense());
    if (text.has_pruned()) add("pruned", text.pruned());
  }

  void AddBlocks(const ShownJob& shown) {
    for (const v1::Task& task : shown.tasks) {
      if (task.kind() != v1::TASK_KIND_PRUNE) continue;
      const std::map<std::string, std::string> labels = {{"job_name", shown.job.name()},
                                                         {"block", absl::StrCat(task.block())}};
      const bool committed_task = task.state() == v1::TASK_STATE_COMMITTED;
      block_progress.push_back({labels, committed_task ? 1.0 : Share(task.progress())});
      const double value = committed_task ? task.result().block().final_loss() : task.progress().loss();
      if (committed_task || value > 0) block_loss.push_back({labels, value});
    }
  }
};

bool HasBegunToPrune(const ShownJob& shown) {
  return std::any_of(shown.tasks.begin(), shown.tasks.end(), [](const v1::Task& task) {
    return task.kind() == v1::TASK_KIND_PRUNE &&
           (task.state() == v1::TASK_STATE_LEASED || task.state() == v1::TASK_STATE_COMMITTED);
  });
}

}  // namespace

std::vector<prometheus::MetricFamily> FleetFamilies(const std::vector<ShownJob>& jobs,
                                                    const std::vector<v1::Worker>& workers, int64_t pending_hooks,
                                                    absl::Time now, const SeriesBudget& budget) {
  JobSamples samples;
  size_t blocks_left = budget.blocks;
  int without_job = 0;
  int without_block = 0;
  int waiting = 0;
  for (size_t i = 0; i < jobs.size(); ++i) {
    const ShownJob& shown = jobs[i];
    if (!HasEnded(shown.job.state()) && !shown.job.pending_reason().empty()) ++waiting;
    if (i < budget.jobs) {
      samples.Add(shown, now);
    } else {
      ++without_job;
    }
    if (!HasBegunToPrune(shown)) continue;
    const auto blocks = static_cast<size_t>(shown.job.progress().blocks_total());
    if (i >= budget.jobs || blocks > blocks_left) {
      ++without_block;
      continue;
    }
    blocks_left -= blocks;
    samples.AddBlocks(shown);
  }

  std::vector<prometheus::MetricFamily> families = {
      GaugeFamily("besa_jobs", "Jobs that have not ended, by state.", JobsByState(jobs)),
      GaugeFamily("besa_tasks", "Tasks of jobs that have not ended, by kind and state.", TasksByState(jobs)),
      GaugeFamily("besa_workers", "Workers, by state.", WorkersByState(workers)),
      GaugeFamily("besa_jobs_waiting", "Jobs of which nothing runs, for a reason that they name.",
                  {{{}, static_cast<double>(waiting)}}),
      GaugeFamily("besa_completion_hooks_pending", "Ends of jobs that were not delivered yet and not given up.",
                  {{{}, static_cast<double>(pending_hooks)}}),
      GaugeFamily("besa_jobs_without_series", "Jobs left out of the series of jobs or of blocks, to bound them.",
                  {{{{"series", "job"}}, static_cast<double>(without_job)},
                   {{{"series", "block"}}, static_cast<double>(without_block)}}),
      GaugeFamily("besa_job_info", "1, with name and state of a job in the labels.", samples.info),
      GaugeFamily("besa_job_blocks", "Blocks of the job's model.", samples.blocks),
      GaugeFamily("besa_job_blocks_committed", "Blocks of the job that are committed.", samples.committed),
      GaugeFamily("besa_job_sparsity_ratio", "Share of zeros in the linears of the committed blocks.",
                  samples.sparsity),
      GaugeFamily("besa_job_loss", "Mean reconstruction loss of the committed blocks.", samples.loss),
      GaugeFamily("besa_job_age_seconds", "Time since the job was created.", samples.age),
      GaugeFamily("besa_job_eta_seconds", "Expected time to the end of pruning.", samples.eta),
      GaugeFamily("besa_job_perplexity", "Perplexity of a text, before and after.", samples.perplexity),
      GaugeFamily("besa_block_progress_ratio", "0 waiting, 1 committed; between: share of its stage.",
                  samples.block_progress),
      GaugeFamily("besa_block_loss", "Reconstruction loss of a block: final, or of the last step.",
                  samples.block_loss)};
  std::erase_if(families, [](const prometheus::MetricFamily& family) { return family.metric.empty(); });
  return families;
}

}  // namespace besa::server
