#include "worker/agent/tasks/prepare_task.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cost/batches.h"
#include "cost/block_shape.h"
#include "cost/job_options.h"
#include "nlohmann/json.hpp"
#include "spdlog/spdlog.h"
#include "storage/base/error_info.h"
#include "storage/base/status_macros.h"
#include "storage/checkpoint/checkpoint.h"
#include "worker/agent/tasks/files.h"
#include "worker/agent/tasks/fingerprint.h"
#include "worker/agent/tasks/progress.h"
#include "worker/agent/tasks/stages.h"
#include "worker/pruner/block_allocation.h"
#include "worker/text/token_text.h"
#include "worker/text/tokenizer.h"
#include "worker/text/windows.h"

namespace besa::worker {
namespace {

using storage::Checkpoint;
using storage::ModelConfig;
using storage::Uri;

constexpr int64_t kMaxTokenizerBytes = int64_t{256} << 20;
constexpr int64_t kMaxConfigBytes = int64_t{16} << 20;

absl::StatusOr<text::Tokenizer> ReadTokenizer(storage::ObjectStore& store, const Uri& model) {
  const Uri file = model.Join("tokenizer.json");
  const auto json = storage::ReadAll(store, file, kMaxTokenizerBytes);
  if (json.status().code() == absl::StatusCode::kNotFound) {
    return FieldError("model_uri", absl::StrCat(model.ToString(), " without ", file.ToString()),
                      "a folder with a tokenizer.json, or texts given as token ids (.safetensors)");
  }
  if (!json.ok()) return json.status();
  return text::Tokenizer::Parse(*json, file.ToString());
}

// config.json's eos_token_id, the first if there are several; generation needs them all, a separator one.
absl::StatusOr<std::optional<int32_t>> ReadEndOfText(storage::ObjectStore& store, const Checkpoint& checkpoint) {
  ASSIGN_OR_RETURN(const std::string text,
                   storage::ReadAll(store, checkpoint.folder().Join("config.json"), kMaxConfigBytes));
  const auto config = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!config.is_object() || !config.contains("eos_token_id")) return std::nullopt;
  nlohmann::json id = config["eos_token_id"];
  if (id.is_array() && !id.empty()) id = nlohmann::json(id[0]);
  if (!id.is_number_integer()) return std::nullopt;
  const auto value = id.get<int64_t>();
  if (value < 0 || value >= checkpoint.config().vocab_size) return std::nullopt;
  return static_cast<int32_t>(value);
}

absl::Status CheckLength(const std::string& name, int64_t length, const ModelConfig& config) {
  if (length >= 1 && length <= config.max_position_embeddings) return absl::OkStatus();
  return FieldError(absl::StrCat(name, ".sequence_length"), absl::StrCat(length),
                    absl::StrCat("1 to ", config.max_position_embeddings, ", the model's context length"));
}

// Reads texts with what they share.
class TextReader {
 public:
  TextReader(storage::ObjectStore& store, const Checkpoint& checkpoint, int threads, const TaskObserver& observer)
      : store_(store), checkpoint_(checkpoint), threads_(threads), observer_(observer) {}

  // `field` is how the request calls the text's addresses.
  absl::StatusOr<text::TokenText> Read(const std::string& field, const std::vector<std::string>& uris) {
    const bool needs_tokenizer = std::any_of(uris.begin(), uris.end(), text::NeedsTokenizer);
    if (needs_tokenizer && !tokenizer_) {
      ASSIGN_OR_RETURN(tokenizer_, ReadTokenizer(store_, checkpoint_.folder()));
      ASSIGN_OR_RETURN(end_of_text_, ReadEndOfText(store_, checkpoint_));
    }
    const text::TextRequest request{
        .field = field,
        .uris = uris,
        .vocab_size = checkpoint_.config().vocab_size,
        .document_separator = end_of_text_,
        .progress = [this](int64_t done, int64_t total) { return observer_(MakeProgress("tokenize", done, total)); },
        .threads = threads_};
    auto text = text::ReadTokenText(store_, request, tokenizer_ ? &*tokenizer_ : nullptr);
    if (text.ok()) spdlog::info("{}: {} tokens in {}", field, text->ids.size(), text::DescribeFiles(uris));
    return text;
  }

 private:
  storage::ObjectStore& store_;
  const Checkpoint& checkpoint_;
  const int threads_;
  const TaskObserver& observer_;
  std::optional<text::Tokenizer> tokenizer_;
  std::optional<int32_t> end_of_text_;
};

absl::StatusOr<text::Windows> PrepareCalibration(const v1::JobSpec& spec, const Uri& folder, const ModelConfig& config,
                                                 const TaskEnvironment& environment, TextReader& reader,
                                                 v1::TaskResult& result) {
  const v1::CalibrationSpec& calibration = spec.calibration();
  RETURN_IF_ERROR(CheckLength("calibration", calibration.sequence_length(), config));
  const std::vector<std::string> uris(calibration.uris().begin(), calibration.uris().end());
  ASSIGN_OR_RETURN(const auto text, reader.Read("calibration.uris", uris));
  ASSIGN_OR_RETURN(auto windows, text::DrawWindows(text,
                                                   {.name = "calibration",
                                                    .files = text::DescribeFiles(uris),
                                                    .count = calibration.samples(),
                                                    .length = calibration.sequence_length()},
                                                   spec.seed()));
  RETURN_IF_ERROR(WriteTokens(environment.store, folder, kCalibrationFile, windows, result));
  v1::PrepareResult& prepare = *result.mutable_prepare();
  prepare.set_calibration_sha256(text::IdsSha256(windows.ids));
  prepare.set_calibration_text_tokens(static_cast<int64_t>(text.ids.size()));
  prepare.set_block_memory_bytes(environment.engine.BlockMemory(config, windows.count, windows.length,
                                                                cost::BesaOptionsOf(spec), cost::ComputeTypeOf(spec)));
  return windows;
}

// Which blocks may lose more than others: see BlockAllocation.
absl::Status AllocateBlocks(const v1::JobSpec& spec, const Checkpoint& checkpoint, const TaskEnvironment& environment,
                            const TaskObserver& observer, const text::Windows& calibration, v1::TaskResult& result) {
  if (spec.method().block_allocation() != v1::BLOCK_ALLOCATION_MEASURED) return absl::OkStatus();
  const int64_t windows = cost::SurveyedWindows(calibration.count, calibration.length);
  const pruner::TokenWindows surveyed = {
      .windows = windows,
      .length = calibration.length,
      .ids = {calibration.ids.begin(), calibration.ids.begin() + windows * calibration.length}};
  ASSIGN_OR_RETURN(const pruner::BlockSurvey survey,
                   environment.engine.SurveyBlocks({.config = &checkpoint.config(),
                                                    .dense = &checkpoint,
                                                    .windows = &surveyed,
                                                    .sparsity = spec.sparsity(),
                                                    .compute = cost::ComputeTypeOf(spec)},
                                                   EngineObserver(observer)));
  AddStages(survey.stages, result);
  const int64_t weights = cost::BlockShape::Of(checkpoint.config(), 0).TotalWeights();
  v1::PrepareResult& prepare = *result.mutable_prepare();
  for (const double share : pruner::ShareOut(survey.divergence, weights, cost::BesaOptionsOf(spec))) {
    prepare.add_block_sparsity(share);
  }
  *prepare.mutable_block_divergence() = {survey.divergence.begin(), survey.divergence.end()};
  const auto [least, most] = std::minmax_element(prepare.block_sparsity().begin(), prepare.block_sparsity().end());
  spdlog::info("blocks are to lose {:.1f}% (block {}) to {:.1f}% (block {}) of their weights", 100 * *least,
               least - prepare.block_sparsity().begin(), 100 * *most, most - prepare.block_sparsity().begin());
  return absl::OkStatus();
}

absl::Status PrepareEvaluation(const v1::JobSpec& spec, int index, const Uri& folder, const ModelConfig& config,
                               const TaskEnvironment& environment, TextReader& reader, v1::TaskResult& result) {
  const v1::EvaluationSpec& evaluation = spec.evaluations(index);
  const std::string name = absl::StrCat("evaluations[", index, "]");
  RETURN_IF_ERROR(CheckLength(name, evaluation.sequence_length(), config));
  const std::vector<std::string> uris(evaluation.uris().begin(), evaluation.uris().end());
  ASSIGN_OR_RETURN(const auto text, reader.Read(absl::StrCat(name, ".uris"), uris));
  ASSIGN_OR_RETURN(const auto windows, text::FirstWindows(text, {.name = name,
                                                                 .files = text::DescribeFiles(uris),
                                                                 .count = evaluation.windows(),
                                                                 .length = evaluation.sequence_length(),
                                                                 .stride = evaluation.stride()}));
  RETURN_IF_ERROR(WriteTokens(environment.store, folder, EvaluationFile(index), windows, result));
  v1::PrepareResult& prepare = *result.mutable_prepare();
  v1::PreparedText& prepared = *prepare.add_evaluations();
  prepared.set_name(evaluation.name());
  prepared.set_sha256(text::IdsSha256(windows.ids));
  prepared.set_text_tokens(static_cast<int64_t>(text.ids.size()));
  prepared.set_windows(static_cast<int32_t>(windows.count));
  const auto compute = cost::ComputeTypeOf(spec);
  prepare.set_evaluation_memory_bytes(std::max(prepare.evaluation_memory_bytes(),
                                               environment.engine.EvaluationMemory(config, windows.length, compute)));
  prepare.set_comparison_memory_bytes(std::max(prepare.comparison_memory_bytes(),
                                               environment.engine.ComparisonMemory(config, windows.length, compute)));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<v1::TaskResult> RunPrepare(const v1::Assignment& assignment, const TaskEnvironment& environment,
                                          const TaskObserver& observer) {
  const v1::JobSpec& spec = assignment.spec();
  ASSIGN_OR_RETURN(const Uri model, Uri::Parse(spec.model_uri(), "model_uri"));
  ASSIGN_OR_RETURN(const Uri folder, Uri::Parse(assignment.attempt_uri(), "attempt_uri"));

  v1::TaskResult result;
  const StageTimer timer(environment.clock, "prepare");
  ASSIGN_OR_RETURN(const Checkpoint checkpoint, Checkpoint::Open(environment.store, model));
  // Before the texts are read, so that a text that changes while it is read is noticed by the next task.
  std::vector<std::string> texts(spec.calibration().uris().begin(), spec.calibration().uris().end());
  for (const v1::EvaluationSpec& text : spec.evaluations()) {
    texts.insert(texts.end(), text.uris().begin(), text.uris().end());
  }
  ASSIGN_OR_RETURN(*result.mutable_prepare()->mutable_inputs(),
                   FingerprintInputs(environment.store, checkpoint, texts));

  TextReader reader(environment.store, checkpoint, environment.engine.device().threads, observer);
  ASSIGN_OR_RETURN(const text::Windows calibration,
                   PrepareCalibration(spec, folder, checkpoint.config(), environment, reader, result));
  for (int i = 0; i < spec.evaluations_size(); ++i) {
    RETURN_IF_ERROR(PrepareEvaluation(spec, i, folder, checkpoint.config(), environment, reader, result));
  }
  timer.Stop(result);
  RETURN_IF_ERROR(AllocateBlocks(spec, checkpoint, environment, observer, calibration, result));
  return result;
}

}  // namespace besa::worker
