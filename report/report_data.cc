#include "report/report_data.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "google/protobuf/util/time_util.h"
#include "proto/time.h"

namespace besa {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kMostPoints = 200;

// "JOB_STATE_SUCCEEDED" as "succeeded".
std::string Word(absl::string_view prefix, absl::string_view name) {
  std::string word = absl::AsciiStrToLower(absl::StripPrefix(name, prefix));
  std::replace(word.begin(), word.end(), '_', ' ');
  return word;
}

bool HasEnded(v1::JobState state) {
  return state == v1::JOB_STATE_SUCCEEDED || state == v1::JOB_STATE_FAILED || state == v1::JOB_STATE_CANCELLED;
}

double Share(int64_t zeros, int64_t weights) {
  return weights == 0 ? 0.0 : static_cast<double>(zeros) / static_cast<double>(weights);
}

// Numbers of six digits: what a chart can show. Infinity and NaN are null.
double Rounded(double value) { return std::strtod(absl::StrFormat("%.6g", value).c_str(), nullptr); }

// "model.layers.3.self_attn.q_proj" as "q_proj".
std::string ShortName(const std::string& name) { return name.substr(name.rfind('.') + 1); }

// A local folder as programs take it: "file:///models/a" is "/models/a".
std::string Plain(const std::string& uri) { return std::string(absl::StripPrefix(uri, "file://")); }

std::string ShortWorker(const std::string& name) { return std::string(absl::StripPrefix(name, "workers/")); }
std::string ShortTask(const std::string& name) { return name.substr(name.rfind('/') + 1); }

// [step, loss] pairs, evenly thinned out, the last one kept.
Json LossCurve(const google::protobuf::RepeatedField<float>& loss) {
  Json curve = Json::array();
  const int stride = std::max(1, (loss.size() + kMostPoints - 1) / kMostPoints);
  for (int i = 0; i < loss.size(); ++i) {
    if (i % stride == 0 || i + 1 == loss.size()) curve.push_back({i + 1, Rounded(loss[i])});
  }
  return curve;
}

Json Linear(const v1::LinearResult& linear) {
  Json shown = {{"name", ShortName(linear.name())},
                {"rows", linear.rows()},
                {"cols", linear.cols()},
                {"sparsity", Rounded(Share(linear.zeros(), linear.rows() * linear.cols()))}};
  if (linear.rows_by_rate_size() > 0) shown["rates"] = linear.rows_by_rate();
  return shown;
}

Json Block(const v1::Task& task) {
  Json shown = {{"block", task.block()}, {"state", Word("TASK_STATE_", v1::TaskState_Name(task.state()))}};
  if (!task.result().has_block()) return shown;
  const v1::BlockResult& block = task.result().block();
  shown["sparsity"] = Rounded(Share(block.zeros(), block.weights()));
  shown["final_loss"] = Rounded(block.final_loss());
  google::protobuf::RepeatedField<float> loss = block.loss();
  loss.MergeFrom(block.recovery_loss());
  shown["loss"] = LossCurve(loss);
  shown["linears"] = Json::array();
  for (const v1::LinearResult& linear : block.linears()) shown["linears"].push_back(Linear(linear));
  if (block.warnings_size() > 0) shown["warnings"] = block.warnings();
  return shown;
}

Json Measured(const v1::Perplexity& text) {
  Json shown = {{"perplexity", text.perplexity()}, {"tokens", text.tokens()}};
  if (text.has_kl_divergence()) shown["kl"] = text.kl_divergence();
  return shown;
}

Json Evaluations(const v1::Job& job) {
  Json shown = Json::array();
  const auto& specs = job.spec().evaluations();
  for (int i = 0; i < specs.size(); ++i) {
    Json text = {{"name", specs[i].name()}};
    if (specs[i].max_perplexity() > 0) text["max_perplexity"] = specs[i].max_perplexity();
    if (specs[i].max_ratio() > 0) text["max_ratio"] = specs[i].max_ratio();
    if (i < job.result().evaluations_size()) {
      const v1::TextEvaluation& result = job.result().evaluations(i);
      if (result.has_dense()) text["dense"] = Measured(result.dense());
      if (result.has_pruned()) text["pruned"] = Measured(result.pruned());
    }
    shown.push_back(std::move(text));
  }
  return shown;
}

// Name and value of an option; those that are not set are left out by the page.
using Facts = std::vector<std::pair<std::string, std::string>>;

template <class Number>
std::string IfSet(Number value) {
  return value == Number{} ? "" : absl::StrCat(value);
}

Json Options(const v1::Job& job) {
  const v1::JobSpec& spec = job.spec();
  const v1::MethodSpec& method = spec.method();
  const v1::CalibrationSpec& calibration = spec.calibration();
  Facts facts = {
      {"model", Plain(spec.model_uri())},
      {"output", Plain(spec.output_uri())},
      {"sparsity", absl::StrCat(spec.sparsity())},
      {"method", Word("METHOD_", v1::Method_Name(method.method()))},
      {"preset", method.preset() == 0 ? "" : Word("PRESET_", v1::Preset_Name(method.preset()))},
      {"granularity",
       method.granularity() == 0 ? "" : Word("GRANULARITY_", v1::Granularity_Name(method.granularity()))},
      {"schedule", method.schedule() == 0 ? "" : Word("SCHEDULE_", v1::Schedule_Name(method.schedule()))},
      {"reference", method.reference() == 0 ? "" : Word("REFERENCE_", v1::Reference_Name(method.reference()))},
      {"pattern", method.pattern()},
      {"batch size", IfSet(method.batch_size())},
      {"epochs", IfSet(method.epochs())},
      {"d_coef", IfSet(method.d_coef())},
      {"prior sigma", IfSet(method.prior_sigma())},
      {"quality", method.quality() == 0 ? "" : Word("QUALITY_", v1::Quality_Name(method.quality()))},
      {"recovery epochs", IfSet(method.recovery().epochs())},
      {"recovery learning rate", IfSet(method.recovery().learning_rate())},
      {"recovery batch size", IfSet(method.recovery().batch_size())},
      {"recovery masks", method.recovery().masks() == 0
                             ? ""
                             : Word("RECOVERY_MASKS_", v1::RecoveryMasks_Name(method.recovery().masks()))},
      {"recovery decay", IfSet(method.recovery().decay())},
      {"recovery dense every", IfSet(method.recovery().dense_every())},
      {"loss", method.loss() == 0 ? "" : Word("LOSS_", v1::Loss_Name(method.loss()))},
      {"block allocation", method.block_allocation() == 0
                               ? ""
                               : Word("BLOCK_ALLOCATION_", v1::BlockAllocation_Name(method.block_allocation()))},
      {"seed", absl::StrCat(spec.seed())},
      {"calibration", absl::StrJoin(calibration.uris(), ", ")},
      {"calibration windows", absl::StrCat(calibration.samples(), " of ", calibration.sequence_length(), " tokens")}};
  for (const v1::EvaluationSpec& text : spec.evaluations()) {
    facts.emplace_back(absl::StrCat("evaluation ", text.name()),
                       absl::StrCat(absl::StrJoin(text.uris(), ", "), "; windows of ", text.sequence_length(),
                                    " tokens, stride ", text.stride()));
  }
  return facts;
}

Json Versions(const v1::Job& job, const std::vector<const v1::Task*>& tasks, absl::string_view besa_version) {
  std::set<std::string> numerics;
  for (const v1::Task* task : tasks) {
    if (!task->result().numerics().empty()) numerics.insert(task->result().numerics());
  }
  const v1::ModelSummary& model = job.model();
  Facts facts = {{"besa", std::string(besa_version)},
                 {"job", job.name()},
                 {"generation", absl::StrCat(job.generation())},
                 {"numerics", absl::StrJoin(numerics, "\n")},
                 {"architecture", model.architecture()},
                 {"blocks", absl::StrCat(model.blocks())},
                 {"hidden size", absl::StrCat(model.hidden_size(), " / ", model.intermediate_size())},
                 {"context", absl::StrCat(model.context_length(), " tokens")},
                 {"owner", job.owner()},
                 {"trace", job.trace_id()}};
  const auto time = [&facts](const char* name, bool set, const google::protobuf::Timestamp& at) {
    if (set) facts.emplace_back(name, absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", FromProto(at), absl::UTCTimeZone()));
  };
  time("created", job.has_create_time(), job.create_time());
  time("started", job.has_start_time(), job.start_time());
  time("ended", job.has_end_time(), job.end_time());
  for (const v1::Task* task : tasks) {
    if (task->kind() != v1::TASK_KIND_PREPARE || !task->result().has_prepare()) continue;
    facts.emplace_back("calibration ids", task->result().prepare().calibration_sha256().substr(0, 16));
  }
  return facts;
}

double SecondsSince(const google::protobuf::Timestamp& begin, const google::protobuf::Timestamp& at) {
  return absl::ToDoubleSeconds(FromProto(at) - FromProto(begin));
}

// Attempts, in seconds since the first lease.
Json Attempts(const v1::Job& job, const std::vector<const v1::Task*>& tasks, absl::Time now) {
  Json shown = Json::array();
  for (const v1::Task* task : tasks) {
    for (const v1::Attempt& attempt : task->attempts()) {
      const bool over = attempt.outcome() != v1::ATTEMPT_OUTCOME_UNSPECIFIED;
      shown.push_back({{"task", ShortTask(task->name())},
                       {"kind", Word("TASK_KIND_", v1::TaskKind_Name(task->kind()))},
                       {"worker", ShortWorker(attempt.worker())},
                       {"begin", SecondsSince(job.start_time(), attempt.start_time())},
                       {"end", SecondsSince(job.start_time(), over ? attempt.end_time() : ToProto(now))},
                       {"ok", !over || attempt.outcome() == v1::ATTEMPT_OUTCOME_COMMITTED},
                       {"outcome", Word("ATTEMPT_OUTCOME_", v1::AttemptOutcome_Name(attempt.outcome()))}});
    }
  }
  return shown;
}

Json Failures(const std::vector<const v1::Task*>& tasks) {
  Json shown = Json::array();
  for (const v1::Task* task : tasks) {
    for (const v1::Attempt& attempt : task->attempts()) {
      if (attempt.outcome() == v1::ATTEMPT_OUTCOME_UNSPECIFIED || attempt.outcome() == v1::ATTEMPT_OUTCOME_COMMITTED) {
        continue;
      }
      std::string outcome = Word("ATTEMPT_OUTCOME_", v1::AttemptOutcome_Name(attempt.outcome()));
      if (attempt.reason() != v1::FAILURE_REASON_UNSPECIFIED) {
        absl::StrAppend(&outcome, ": ", Word("FAILURE_REASON_", v1::FailureReason_Name(attempt.reason())));
      }
      shown.push_back({{"task", ShortTask(task->name())},
                       {"attempt", attempt.number()},
                       {"worker", ShortWorker(attempt.worker())},
                       {"outcome", outcome},
                       {"message", attempt.message()}});
    }
  }
  return shown;
}

Json Workers(const std::vector<const v1::Task*>& tasks) {
  std::set<std::string> workers;
  for (const v1::Task* task : tasks) {
    for (const v1::Attempt& attempt : task->attempts()) workers.insert(ShortWorker(attempt.worker()));
  }
  return workers;
}

}  // namespace

Json ReportData(const v1::Job& job, const std::vector<v1::Task>& tasks, absl::string_view besa_version,
                absl::Time now) {
  std::vector<const v1::Task*> ordered;
  for (const v1::Task& task : tasks) ordered.push_back(&task);
  std::stable_sort(ordered.begin(), ordered.end(),
                   [](const v1::Task* a, const v1::Task* b) { return a->block() < b->block(); });

  Json data;
  data["job"] = job.name();
  data["display_name"] = job.spec().display_name();
  data["state"] = Word("JOB_STATE_", v1::JobState_Name(job.state()));
  data["running"] = !HasEnded(job.state());
  data["output_uri"] = Plain(job.spec().output_uri());
  data["pending_reason"] = HasEnded(job.state()) ? "" : job.pending_reason();
  if (job.has_error()) data["error"] = {{"message", job.error().message()}};
  data["besa_version"] = std::string(besa_version);
  data["written"] = absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", now, absl::UTCTimeZone());
  data["model"] = {{"architecture", job.model().architecture()}, {"parameters", job.model().parameters()}};
  data["method"] = {{"name", absl::AsciiStrToUpper(Word("METHOD_", v1::Method_Name(job.spec().method().method())))}};
  data["sparsity"] = {{"asked", job.spec().sparsity()},
                      {"reached", Share(job.result().zeros(), job.result().weights())},
                      {"zeros", job.result().zeros()},
                      {"weights", job.result().weights()}};
  data["evaluations"] = Evaluations(job);
  data["blocks"] = Json::array();
  for (const v1::Task* task : ordered) {
    if (task->kind() == v1::TASK_KIND_PRUNE) data["blocks"].push_back(Block(*task));
  }
  data["stages"] = Json::array();
  for (const v1::StageSeconds& stage : job.result().stages()) {
    data["stages"].push_back({{"stage", stage.stage()}, {"seconds", Rounded(stage.seconds())}});
  }
  if (job.has_start_time()) {
    data["seconds"] = SecondsSince(job.start_time(), job.has_end_time() ? job.end_time() : ToProto(now));
    data["attempts"] = Attempts(job, ordered, now);
  } else {
    data["attempts"] = Json::array();
  }
  if (job.progress().has_eta() && !HasEnded(job.state())) {
    data["eta_seconds"] = absl::ToDoubleSeconds(FromProto(job.progress().eta()));
  }
  data["workers"] = Workers(ordered);
  data["failures"] = Failures(ordered);
  data["options"] = Options(job);
  data["versions"] = Versions(job, ordered, besa_version);
  return data;
}

}  // namespace besa
