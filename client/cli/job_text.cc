#include "client/cli/job_text.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/cli/evaluation_text.h"
#include "client/cli/format.h"
#include "client/cli/local_path.h"
#include "proto/time.h"
#include "storage/base/format_bytes.h"

namespace besa::client {
namespace {

using Facts = std::vector<std::pair<std::string, std::string>>;
using Rows = std::vector<std::vector<std::string>>;

// "" for 0, which means that the service or the engine chooses.
std::string Number(double value) { return value == 0 ? "" : absl::StrCat(value); }

// "" for UNSPECIFIED.
template <typename Enum>
std::string Choice(Enum value) {
  return static_cast<int>(value) == 0 ? "" : EnumFlag(value);
}

std::string Windows(const v1::CalibrationSpec& calibration) {
  std::string text;
  if (calibration.samples() > 0) absl::StrAppend(&text, ShowCount(calibration.samples()), " windows");
  if (calibration.sequence_length() > 0) absl::StrAppend(&text, " of ", calibration.sequence_length(), " tokens");
  return text;
}

void AddSpec(const v1::JobSpec& spec, Facts& facts) {
  const v1::MethodSpec& method = spec.method();
  facts.emplace_back("model", PlainUri(spec.model_uri()));
  facts.emplace_back("output", PlainUri(spec.output_uri()));
  facts.emplace_back("sparsity", absl::StrCat(spec.sparsity()));
  facts.emplace_back("calibration",
                     absl::StrCat(ShowFiles(spec.calibration().uris()), ", ", Windows(spec.calibration())));
  for (const v1::EvaluationSpec& text : spec.evaluations()) {
    facts.emplace_back("evaluation", DescribeEvaluation(text));
  }
  std::vector<std::string> parts = {Choice(method.method())};
  const auto add = [&parts](const char* name, const std::string& value) {
    if (!value.empty()) parts.push_back(absl::StrCat(name, " ", value));
  };
  add("preset", Choice(method.preset()));
  add("granularity", Choice(method.granularity()));
  add("schedule", Choice(method.schedule()));
  if (method.schedule() == v1::SCHEDULE_SEQUENTIAL) add("reference", Choice(method.reference()));
  add("quality", Choice(method.quality()));
  add("loss", Choice(method.loss()));
  add("block allocation", Choice(method.block_allocation()));
  add("compute", Choice(method.compute_type()));
  add("batch", Number(method.batch_size()));
  add("epochs", Number(method.epochs()));
  add("d_coef", Number(method.d_coef()));
  add("prior sigma", Number(method.prior_sigma()));
  add("pattern", method.pattern());
  add("block size", Number(method.sparsegpt_block_size()));
  add("damping", Number(method.sparsegpt_damping()));
  if (method.has_recovery()) {
    const v1::RecoverySpec& recovery = method.recovery();
    parts.push_back(absl::StrCat("recovery of ", recovery.epochs(), " passes at ", recovery.learning_rate(), ", batch ",
                                 recovery.batch_size(), ", masks ", Choice(recovery.masks())));
    add("decay", Number(recovery.decay()));
    if (recovery.dense_every() != 0) parts.push_back(absl::StrCat("dense inputs every ", recovery.dense_every()));
  }
  facts.emplace_back("method", absl::StrJoin(parts, ", "));
  facts.emplace_back("seed", absl::StrCat(spec.seed()));
}

void AddModel(const v1::ModelSummary& model, Facts& facts) {
  facts.emplace_back("architecture",
                     absl::StrCat(model.architecture(), ", ", model.blocks(), " blocks, hidden ", model.hidden_size(),
                                  ", intermediate ", model.intermediate_size(), ", context ", model.context_length()));
  facts.emplace_back("parameters",
                     absl::StrCat(ShowCount(model.parameters()), " (", ShowCount(model.prunable_parameters()),
                                  " prunable), ", FormatBytes(model.bytes())));
  if (model.block_memory_bytes() > 0) {
    facts.emplace_back("memory", absl::StrCat(FormatBytes(model.block_memory_bytes()), " to prune a block"));
  }
}

std::string Labels(const v1::Job& job) {
  std::vector<std::string> labels;
  for (const auto& [key, value] : job.labels()) labels.push_back(absl::StrCat(key, "=", OneLine(value)));
  std::sort(labels.begin(), labels.end());
  return absl::StrJoin(labels, ", ");
}

std::string Blocks(const v1::JobProgress& progress) {
  return absl::StrCat(progress.blocks_committed(), " of ", progress.blocks_total());
}

// "https://..., delivered"; "https://..., pending: 2 attempts, the last: it answered 500; the next at 12:00".
std::string Hook(const v1::CompletionHook& hook) {
  std::string text = hook.uri();
  if (hook.state() == v1::COMPLETION_HOOK_STATE_UNSPECIFIED) return text;
  absl::StrAppend(&text, ", ", EnumWord(hook.state()), " (", hook.attempts(),
                  hook.attempts() == 1 ? " attempt)" : " attempts)");
  if (!hook.last_error().empty()) absl::StrAppend(&text, ": ", OneLine(hook.last_error()));
  if (hook.attempts() > 0 && hook.has_next_attempt_time()) {
    absl::StrAppend(&text, "; next ", ShowTime(hook.next_attempt_time()));
  }
  return text;
}

}  // namespace

std::string DescribeJob(const v1::Job& job) {
  Facts facts;
  if (!job.name().empty()) {
    facts.emplace_back("job", job.name());
    facts.emplace_back("name", OneLine(job.spec().display_name()));
    facts.emplace_back("state", EnumWord(job.state()));
    facts.emplace_back("waiting", OneLine(job.pending_reason()));
    if (job.generation() > 1) facts.emplace_back("generation", absl::StrCat(job.generation()));
    facts.emplace_back("created", ShowTime(job.create_time()));
    if (job.has_deadline()) facts.emplace_back("deadline", ShowTime(job.deadline()));
    if (job.has_end_time()) facts.emplace_back("ended", ShowTime(job.end_time()));
    facts.emplace_back("trace", job.trace_id());
    facts.emplace_back("blocks", Blocks(job.progress()));
    if (job.priority() != 0) facts.emplace_back("priority", absl::StrCat(job.priority()));
    facts.emplace_back("owner", OneLine(job.owner()));
    facts.emplace_back("labels", Labels(job));
    if (job.has_completion_hook()) facts.emplace_back("hook", Hook(job.completion_hook()));
    if (job.result().gpu_seconds() > 0) {
      facts.emplace_back("GPU time", ShowDuration(absl::Seconds(job.result().gpu_seconds())));
    }
    if (job.progress().has_eta()) facts.emplace_back("ETA", ShowDuration(FromProto(job.progress().eta())));
  }
  AddSpec(job.spec(), facts);
  if (job.has_model()) AddModel(job.model(), facts);
  std::string text = FormatFacts(facts);
  if (job.state() == v1::JOB_STATE_FAILED) absl::StrAppend(&text, "\n", DescribeFailure(job));
  if (job.state() == v1::JOB_STATE_SUCCEEDED) absl::StrAppend(&text, "\n", DescribeResult(job));
  const bool ended = job.state() == v1::JOB_STATE_FAILED || job.state() == v1::JOB_STATE_SUCCEEDED;
  if (!ended && !job.result().evaluations().empty()) absl::StrAppend(&text, "\n", EvaluationTable(job.result()));
  return text;
}

std::string JobTable(const v1::ListJobsResponse& jobs) {
  Rows rows = {{"JOB", "STATE", "BLOCKS", "SPARSITY", "CREATED", "NAME", "MODEL"}};
  for (const v1::Job& job : jobs.jobs()) {
    rows.push_back({job.name(), EnumWord(job.state()), Blocks(job.progress()), absl::StrCat(job.spec().sparsity()),
                    ShowTime(job.create_time()), OneLine(job.spec().display_name()), PlainUri(job.spec().model_uri())});
  }
  return FormatTable(rows);
}

std::vector<float> StepLosses(const v1::BlockResult& block) {
  std::vector<float> losses(block.loss().begin(), block.loss().end());
  losses.insert(losses.end(), block.recovery_loss().begin(), block.recovery_loss().end());
  return losses;
}

std::string TaskTable(const v1::ListTasksResponse& tasks) {
  Rows rows = {{"TASK", "STATE", "ATTEMPTS", "WORKER", "SPARSITY", "LOSS", "REMARK"}};
  for (const v1::Task& task : tasks.tasks()) {
    const v1::BlockResult& block = task.result().block();
    const std::vector<float> losses = StepLosses(block);
    const bool has_worker = task.attempts_size() > 0;
    const v1::Attempt last = has_worker ? task.attempts(task.attempts_size() - 1) : v1::Attempt();
    std::string remark = OneLine(task.pending_reason().empty() ? last.message() : task.pending_reason());
    if (task.result().has_evaluation()) {
      remark = absl::StrJoin(
          task.result().evaluation().texts(), "; ",
          [](std::string* out, const v1::Perplexity& text) { absl::StrAppend(out, DescribeMeasurement(text)); });
    } else if (task.state() == v1::TASK_STATE_LEASED) {
      remark = absl::StrCat(task.progress().stage(), " ", task.progress().step(), "/", task.progress().steps());
    }
    rows.push_back({std::string(LastSegment(task.name())), EnumWord(task.state()), absl::StrCat(task.attempts_size()),
                    has_worker ? std::string(LastSegment(last.worker())) : "-",
                    block.weights() > 0
                        ? ShowSparsity(static_cast<double>(block.zeros()) / static_cast<double>(block.weights()))
                        : "-",
                    losses.empty() ? "-" : ShowLoss(losses.back()), remark});
  }
  return FormatTable(rows);
}

std::string WorkerTable(const v1::ListWorkersResponse& workers) {
  Rows rows = {{"WORKER", "STATE", "DEVICE", "MODEL", "MEMORY", "VERSION", "LAST SEEN", "TASKS"}};
  for (const v1::Worker& worker : workers.workers()) {
    const std::string state = absl::StrCat(EnumWord(worker.state()), worker.draining() ? ", drains" : "");
    rows.push_back({worker.name(), state, worker.device().id(), OneLine(worker.device().model()),
                    FormatBytes(worker.device().memory_bytes()), worker.version(), ShowTime(worker.last_seen_time()),
                    worker.tasks().empty() ? "-" : absl::StrJoin(worker.tasks(), " ")});
  }
  return FormatTable(rows);
}

std::string AuditTable(const v1::ListAuditEntriesResponse& entries) {
  Rows rows = {{"TIME", "ACTION", "RESOURCE", "CALLER", "DETAIL"}};
  for (const v1::AuditEntry& entry : entries.entries()) {
    rows.push_back({ShowTime(entry.time()), entry.action(), entry.resource(), OneLine(entry.caller()),
                    entry.detail().empty() ? "-" : OneLine(entry.detail())});
  }
  return FormatTable(rows);
}

std::string DescribeResult(const v1::Job& job) {
  const v1::JobResult& result = job.result();
  Rows rows;
  if (result.evaluations().empty()) rows.push_back({"perplexity", "not measured", "no evaluation text was given"});
  rows.push_back({"sparsity, asked", absl::StrFormat("%.6f", job.spec().sparsity())});
  rows.push_back({"sparsity, reached", absl::StrFormat("%.6f", result.sparsity()),
                  absl::StrCat(ShowCount(result.zeros()), " zeros in ", ShowCount(result.weights()), " weights")});
  for (const v1::StageSeconds& stage : result.stages()) {
    rows.push_back({absl::StrCat("seconds, ", stage.stage()), absl::StrFormat("%.1f", stage.seconds())});
  }
  return absl::StrCat(EvaluationTable(result), FormatTable(rows), "output: ", PlainUri(job.spec().output_uri()), "\n");
}

std::string DescribeFailure(const v1::Job& job) {
  const v1::JobError& error = job.error();
  std::string text =
      absl::StrCat(job.name(), " failed (", EnumFlag(error.reason()), "): ", OneLine(error.message()), "\n");
  if (!error.task().empty()) absl::StrAppend(&text, "task: ", error.task(), "\n");
  absl::StrAppend(&text, EvaluationTable(job.result()));
  if (!error.log_tail().empty()) {
    absl::StrAppend(&text, "last lines logged:\n");
    for (const std::string& line : error.log_tail()) absl::StrAppend(&text, "  ", OneLine(line), "\n");
  }
  return text;
}

}  // namespace besa::client
