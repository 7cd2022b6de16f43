#include "server/validation/create_job.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/validation/field_context.h"
#include "server/validation/job_fields.h"
#include "server/validation/method_rules.h"
#include "server/validation/output_folder.h"
#include "server/validation/text_input.h"
#include "storage/base/error_info.h"
#include "storage/base/status_macros.h"
#include "storage/checkpoint/checkpoint.h"

namespace besa::server {
namespace {

constexpr size_t kLongestDisplayName = 200;
constexpr size_t kLongestTextName = 60;
constexpr int kDefaultSamples = 128;
constexpr int kMostSamples = 1'000'000;
constexpr int64_t kLongestDefaultSequence = 2048;

bool IsUuid(absl::string_view text) {
  constexpr absl::string_view kShape = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
  if (text.size() != kShape.size()) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool fits = kShape[i] == '-' ? text[i] == '-' : std::isxdigit(static_cast<unsigned char>(text[i])) != 0;
    if (!fits) return false;
  }
  return true;
}

absl::Status CheckNames(const v1::CreateJobRequest& request) {
  if (!request.request_id().empty() && !IsUuid(request.request_id())) {
    return FieldError("request_id", request.request_id(), "a UUID such as 7d444840-9dc0-11d1-b245-5ffdce74fad2");
  }
  const std::string& display_name = request.job().spec().display_name();
  if (display_name.size() > kLongestDisplayName) {
    return FieldError("display_name", absl::StrCat(display_name.substr(0, 20), "... (", display_name.size(), " bytes)"),
                      absl::StrCat("at most ", kLongestDisplayName, " bytes"));
  }
  if (std::any_of(display_name.begin(), display_name.end(), [](unsigned char c) { return std::iscntrl(c) != 0; })) {
    return FieldError("display_name", "a name with control characters", "printable text");
  }
  return absl::OkStatus();
}

absl::Status CheckGiven(absl::string_view field, absl::string_view value, absl::string_view what) {
  if (!value.empty()) return absl::OkStatus();
  return FieldError(field, value, what);
}

// At least one address, and none empty.
absl::Status CheckGiven(absl::string_view field, const Uris& uris, absl::string_view what) {
  if (uris.empty()) return FieldError(field, "", what);
  for (const std::string& uri : uris) RETURN_IF_ERROR(CheckGiven(field, uri, what));
  return absl::OkStatus();
}

// A count that must lie in [1, most]; 0 was replaced by its default before.
absl::Status CheckCount(absl::string_view field, int64_t value, int64_t most, absl::string_view because) {
  if (value >= 1 && value <= most) return absl::OkStatus();
  return FieldError(field, absl::StrCat(value), absl::StrCat("a whole number from 1 to ", most, because));
}

absl::Status CheckTokenizer(const storage::Checkpoint& checkpoint, absl::string_view text_field) {
  const auto& companions = checkpoint.companions();
  if (std::any_of(companions.begin(), companions.end(),
                  [](const storage::ObjectInfo& file) { return file.uri.name() == "tokenizer.json"; })) {
    return absl::OkStatus();
  }
  return FieldError("model_uri", checkpoint.folder().ToString(),
                    absl::StrCat("a folder with tokenizer.json, as ", text_field,
                                 " is a text; or texts given as token ids in .safetensors"));
}

// "evaluations[2].uris".
std::string EvaluationField(int index, absl::string_view field) {
  return absl::StrCat("evaluations[", index, "].", field);
}

absl::Status CheckName(const std::string& name, absl::string_view field, std::set<std::string>& names) {
  const bool fits = name.size() <= kLongestTextName && std::all_of(name.begin(), name.end(), [](unsigned char c) {
                      return std::isalnum(c) != 0 || c == '.' || c == '-' || c == '_';
                    });
  if (!fits) {
    return FieldError(field, name.substr(0, kLongestTextName),
                      absl::StrCat("at most ", kLongestTextName, " letters, digits, dots, dashes and underscores"));
  }
  if (!names.insert(name).second) return FieldError(field, name, "a name that no other text of the job has");
  return absl::OkStatus();
}

// A limit that a gate has, or 0 for none.
absl::Status CheckGate(absl::string_view field, double limit) {
  if (limit == 0 || (limit >= 1 && std::isfinite(limit))) return absl::OkStatus();
  return FieldError(field, absl::StrCat(limit), "a number from 1 up, or 0 for no gate");
}

// Everything but its files.
absl::Status CheckEvaluation(const v1::EvaluationSpec& text, absl::string_view field, std::set<std::string>& names) {
  RETURN_IF_ERROR(CheckName(text.name(), absl::StrCat(field, "name"), names));
  if (text.sequence_length() < 2) {
    return FieldError(absl::StrCat(field, "sequence_length"), "1",
                      "at least 2: the first token of a window is context for the second");
  }
  if (text.windows() < 0) {
    return FieldError(absl::StrCat(field, "windows"), absl::StrCat(text.windows()),
                      "a whole number above 0, or 0 for as many as the text has");
  }
  RETURN_IF_ERROR(
      CheckCount(absl::StrCat(field, "stride"), text.stride(), text.sequence_length(), ", the tokens of a window"));
  RETURN_IF_ERROR(CheckGate(absl::StrCat(field, "max_perplexity"), text.max_perplexity()));
  return CheckGate(absl::StrCat(field, "max_ratio"), text.max_ratio());
}

// Replaces the addresses by those of the files, checked.
absl::Status ResolveFiles(Uris& uris, int64_t sequence_length, absl::string_view field,
                          const storage::Checkpoint& checkpoint, storage::ObjectStore& store) {
  ASSIGN_OR_RETURN(const TextInput text, CheckTextInput(store, uris, sequence_length, field));
  uris = {text.uris.begin(), text.uris.end()};
  return text.token_ids ? absl::OkStatus() : CheckTokenizer(checkpoint, field);
}

absl::Status ResolveTexts(v1::JobSpec& spec, const storage::Checkpoint& checkpoint, storage::ObjectStore& store) {
  const int64_t context = checkpoint.config().max_position_embeddings;
  const std::string because = absl::StrCat(" (the model's context length is ", context, ")");

  v1::CalibrationSpec& calibration = *spec.mutable_calibration();
  if (calibration.samples() == 0) calibration.set_samples(kDefaultSamples);
  if (calibration.sequence_length() == 0) {
    calibration.set_sequence_length(static_cast<int>(std::min(context, kLongestDefaultSequence)));
  }
  RETURN_IF_ERROR(CheckCount("calibration.samples", calibration.samples(), kMostSamples, ""));
  RETURN_IF_ERROR(CheckCount("calibration.sequence_length", calibration.sequence_length(), context, because));
  RETURN_IF_ERROR(
      ResolveFiles(*calibration.mutable_uris(), calibration.sequence_length(), "calibration.uris", checkpoint, store));

  std::set<std::string> names;
  for (int i = 0; i < spec.evaluations_size(); ++i) {
    v1::EvaluationSpec& text = *spec.mutable_evaluations(i);
    if (text.sequence_length() == 0) text.set_sequence_length(calibration.sequence_length());
    if (text.stride() == 0) text.set_stride(text.sequence_length());
    if (text.name().empty()) text.set_name(TextNameOf(text.uris(0)));
    const std::string field = EvaluationField(i, "");
    RETURN_IF_ERROR(CheckCount(absl::StrCat(field, "sequence_length"), text.sequence_length(), context, because));
    RETURN_IF_ERROR(CheckEvaluation(text, field, names));
    RETURN_IF_ERROR(
        ResolveFiles(*text.mutable_uris(), text.sequence_length(), absl::StrCat(field, "uris"), checkpoint, store));
  }
  return absl::OkStatus();
}

absl::Status CheckActivations(v1::Activations activations, const v1::JobSpec& spec) {
  if (!v1::Activations_IsValid(activations)) {
    return FieldError("activations", absl::StrCat(static_cast<int>(activations)), "a value of Activations");
  }
  if (activations == v1::ACTIVATIONS_STORED && spec.method().schedule() == v1::SCHEDULE_SEQUENTIAL) {
    return FieldError("activations", "ACTIVATIONS_STORED",
                      "ACTIVATIONS_WALKED, as the schedule is sequential: its activations change with every block");
  }
  return absl::OkStatus();
}

v1::ModelSummary Summarise(const storage::Checkpoint& checkpoint) {
  v1::ModelSummary model;
  model.set_architecture(checkpoint.config().architecture);
  model.set_blocks(static_cast<int>(checkpoint.config().num_hidden_layers));
  model.set_hidden_size(static_cast<int>(checkpoint.config().hidden_size));
  model.set_intermediate_size(static_cast<int>(checkpoint.config().intermediate_size));
  model.set_context_length(static_cast<int>(checkpoint.config().max_position_embeddings));
  model.set_parameters(checkpoint.parameters());
  model.set_prunable_parameters(checkpoint.prunable_parameters());
  model.set_bytes(checkpoint.bytes());
  return model;
}

}  // namespace

absl::StatusOr<ValidatedJob> ValidateCreateJob(const v1::CreateJobRequest& request, storage::ObjectStore& store,
                                               const storage::Uri& workspace, const Endpoints& hooks) {
  RETURN_IF_ERROR(CheckNames(request));
  RETURN_IF_ERROR(CheckJobFields(request.job(), hooks));
  v1::JobSpec spec = request.job().spec();

  RETURN_IF_ERROR(CheckGiven("model_uri", spec.model_uri(), "the folder of a Hugging Face checkpoint"));
  RETURN_IF_ERROR(CheckGiven("output_uri", spec.output_uri(), "a folder that is empty or does not exist"));
  RETURN_IF_ERROR(CheckGiven("calibration.uris", spec.calibration().uris(), "texts or token ids to calibrate on"));
  for (int i = 0; i < spec.evaluations_size(); ++i) {
    RETURN_IF_ERROR(CheckGiven(EvaluationField(i, "uris"), spec.evaluations(i).uris(),
                               "texts or token ids to measure perplexity on, or no evaluation at all"));
  }
  RETURN_IF_ERROR(ResolveMethod(spec));
  RETURN_IF_ERROR(CheckActivations(request.job().activations(), spec));

  ASSIGN_OR_RETURN(const storage::Uri model, storage::Uri::Parse(spec.model_uri(), "model_uri"));
  ASSIGN_OR_RETURN(const storage::Uri output, storage::Uri::Parse(spec.output_uri(), "output_uri"));
  spec.set_model_uri(model.ToString());
  spec.set_output_uri(output.ToString());

  if (output.IsWithin(workspace) || workspace.IsWithin(output)) {
    return FieldError("output_uri", spec.output_uri(),
                      absl::StrCat("a folder apart from the service's workspace ", workspace.ToString()));
  }

  auto checkpoint = storage::Checkpoint::Open(store, model);
  if (!checkpoint.ok()) return InField("model_uri", spec.model_uri(), checkpoint.status());
  RETURN_IF_ERROR(CheckPatternFits(spec, checkpoint->config()));
  RETURN_IF_ERROR(ResolveTexts(spec, *checkpoint, store));
  RETURN_IF_ERROR(CheckOutputFolder(store, model, output));
  v1::ModelSummary summary = Summarise(*checkpoint);
  return ValidatedJob{.spec = std::move(spec), .model = std::move(summary), .checkpoint = *std::move(checkpoint)};
}

}  // namespace besa::server
