#include "server/publisher/manifest.h"

#include <algorithm>

#include "nlohmann/json.hpp"
#include "proto/json.h"
#include "storage/base/status_macros.h"

namespace besa::server {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kFormatVersion = 1;

double Share(int64_t zeros, int64_t weights) {
  return weights == 0 ? 0.0 : static_cast<double>(zeros) / static_cast<double>(weights);
}

// The spec without what does not determine the output.
absl::StatusOr<Json> Options(v1::JobSpec spec) {
  spec.clear_output_uri();
  spec.clear_display_name();
  ASSIGN_OR_RETURN(const std::string text, ToJson(spec));
  Json options = Json::parse(text);
  options.erase("output_uri");
  options.erase("display_name");
  // Protobuf writes 64-bit integers as strings.
  options["seed"] = spec.seed();
  return options;
}

const v1::Task* Find(const std::vector<v1::Task>& tasks, v1::TaskKind kind) {
  const auto found =
      std::find_if(tasks.begin(), tasks.end(), [kind](const v1::Task& task) { return task.kind() == kind; });
  return found == tasks.end() ? nullptr : &*found;
}

Json Inputs(const v1::PrepareResult& prepare) {
  Json inputs = Json::array();
  for (const v1::InputFingerprint& input : prepare.inputs()) {
    inputs.push_back({{"uri", input.uri()}, {"size", input.size()}, {"sha256", input.sha256()}});
  }
  return inputs;
}

const v1::Perplexity* FindText(const v1::Task* task, const std::string& name) {
  if (task == nullptr) return nullptr;
  for (const v1::Perplexity& text : task->result().evaluation().texts()) {
    if (text.name() == name) return &text;
  }
  return nullptr;
}

Json Evaluations(const v1::JobSpec& spec, const std::vector<v1::Task>& tasks, const v1::PrepareResult& prepare) {
  const v1::Task* dense_task = Find(tasks, v1::TASK_KIND_EVALUATE_DENSE);
  const v1::Task* pruned_task = Find(tasks, v1::TASK_KIND_EVALUATE_PRUNED);
  Json evaluations = Json::array();
  for (int i = 0; i < spec.evaluations_size(); ++i) {
    const v1::EvaluationSpec& text = spec.evaluations(i);
    Json evaluation = {{"name", text.name()}};
    if (i < prepare.evaluations_size()) {
      evaluation["sha256"] = prepare.evaluations(i).sha256();
      evaluation["text_tokens"] = prepare.evaluations(i).text_tokens();
      evaluation["windows"] = prepare.evaluations(i).windows();
    }
    evaluation["sequence_length"] = text.sequence_length();
    evaluation["stride"] = text.stride();
    if (const v1::Perplexity* dense = FindText(dense_task, text.name())) {
      evaluation["tokens"] = dense->tokens();
      evaluation["dense_perplexity"] = dense->perplexity();
      evaluation["dense_numerics"] = dense_task->result().numerics();
    }
    if (const v1::Perplexity* pruned = FindText(pruned_task, text.name())) {
      evaluation["pruned_perplexity"] = pruned->perplexity();
      evaluation["kl_divergence"] = pruned->kl_divergence();
      evaluation["pruned_numerics"] = pruned_task->result().numerics();
    }
    evaluations.push_back(std::move(evaluation));
  }
  return evaluations;
}

}  // namespace

absl::StatusOr<std::string> FormatManifest(const v1::JobSpec& spec, const v1::ModelSummary& model,
                                           const std::vector<v1::Task>& tasks, const std::vector<PublishedFile>& files,
                                           absl::string_view besa_version) {
  const v1::Task* prepare_task = Find(tasks, v1::TASK_KIND_PREPARE);
  if (prepare_task == nullptr) return absl::InternalError("a job without a prepare task cannot be published");
  const v1::PrepareResult& prepare = prepare_task->result().prepare();

  std::vector<const v1::Task*> pruned;
  for (const v1::Task& task : tasks) {
    if (task.kind() == v1::TASK_KIND_PRUNE) pruned.push_back(&task);
  }
  std::sort(pruned.begin(), pruned.end(), [](const v1::Task* a, const v1::Task* b) { return a->block() < b->block(); });

  int64_t zeros = 0;
  int64_t weights = 0;
  Json blocks = Json::array();
  Json linears = Json::array();
  for (const v1::Task* task : pruned) {
    const v1::BlockResult& block = task->result().block();
    zeros += block.zeros();
    weights += block.weights();
    blocks.push_back({{"block", task->block()},
                      {"zeros", block.zeros()},
                      {"weights", block.weights()},
                      {"sparsity", Share(block.zeros(), block.weights())},
                      {"final_loss", block.final_loss()},
                      {"steps", block.loss_size()},
                      {"recovery_steps", block.recovery_loss_size()},
                      {"skipped_steps", block.skipped_steps()},
                      {"input_sha256", block.input_sha256()},
                      {"numerics", task->result().numerics()}});
    if (block.warnings_size() > 0) blocks.back()["warnings"] = block.warnings();
    for (const v1::LinearResult& linear : block.linears()) {
      linears.push_back({{"name", linear.name()},
                         {"rows", linear.rows()},
                         {"cols", linear.cols()},
                         {"zeros", linear.zeros()},
                         {"sparsity", Share(linear.zeros(), linear.rows() * linear.cols())}});
    }
  }

  std::vector<PublishedFile> sorted = files;
  std::sort(sorted.begin(), sorted.end(),
            [](const PublishedFile& a, const PublishedFile& b) { return a.path < b.path; });
  Json listed = Json::array();
  for (const PublishedFile& file : sorted) {
    listed.push_back({{"path", file.path}, {"size", file.size}, {"sha256", file.sha256}});
  }

  Json manifest;
  manifest["format_version"] = kFormatVersion;
  manifest["besa_version"] = std::string(besa_version);
  manifest["model"] = {{"architecture", model.architecture()},
                       {"blocks", model.blocks()},
                       {"parameters", model.parameters()},
                       {"prunable_parameters", model.prunable_parameters()}};
  ASSIGN_OR_RETURN(manifest["options"], Options(spec));
  manifest["inputs"] = Inputs(prepare);
  manifest["calibration"] = {{"sha256", prepare.calibration_sha256()},
                             {"text_tokens", prepare.calibration_text_tokens()},
                             {"windows", spec.calibration().samples()},
                             {"sequence_length", spec.calibration().sequence_length()}};
  if (!spec.evaluations().empty()) manifest["evaluations"] = Evaluations(spec, tasks, prepare);
  manifest["sparsity"] = {
      {"asked", spec.sparsity()}, {"reached", Share(zeros, weights)}, {"zeros", zeros}, {"weights", weights}};
  manifest["blocks"] = std::move(blocks);
  manifest["linears"] = std::move(linears);
  manifest["files"] = std::move(listed);
  return manifest.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace besa::server
