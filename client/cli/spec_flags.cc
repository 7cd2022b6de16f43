#include "client/cli/spec_flags.h"

#include <algorithm>
#include <cctype>
#include <vector>

#include "CLI/CLI.hpp"
#include "client/cli/duration_option.h"
#include "client/cli/format.h"
#include "client/cli/local_path.h"
#include "proto/time.h"
#include "storage/base/error_info.h"
#include "storage/base/status_macros.h"

namespace besa::client {
namespace {

// The flag's values, from the enum itself: a value added to the API needs no change here.
template <typename Enum>
std::vector<std::string> FlagValues() {
  std::vector<std::string> values;
  const auto* const descriptor = google::protobuf::GetEnumDescriptor<Enum>();
  for (int i = 1; i < descriptor->value_count(); ++i) {
    values.push_back(EnumFlag(static_cast<Enum>(descriptor->value(i)->number())));
  }
  return values;
}

// The value of a flag that CLI11 has checked; UNSPECIFIED if it was not given.
template <typename Enum>
Enum FromFlag(const std::string& text) {
  const auto* const descriptor = google::protobuf::GetEnumDescriptor<Enum>();
  for (int i = 1; i < descriptor->value_count(); ++i) {
    const auto value = static_cast<Enum>(descriptor->value(i)->number());
    if (EnumFlag(value) == text) return value;
  }
  return Enum{};
}

template <typename Enum>
void AddEnum(CLI::App& command, const std::string& flag, std::string& value, const std::string& help) {
  command.add_option(flag, value, help)->check(CLI::IsMember(FlagValues<Enum>()));
}

// "NAME=VALUE" as its parts; no name if what stands before the = cannot be one (a path) or there is none.
struct Named {
  std::string name;
  std::string value;
};

Named SplitName(const std::string& text) {
  const size_t equals = text.find('=');
  const std::string name = text.substr(0, equals);
  const bool is_name = !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '.' || c == '-' || c == '_';
  });
  if (equals == std::string::npos || !is_name) return {"", text};
  return {name, text.substr(equals + 1)};
}

// A flag whose values are VALUE or NAME=VALUE.
template <typename T>
void AddPerText(CLI::App& command, const std::string& flag, std::vector<std::string>& values, const std::string& help,
                CLI::Option* evaluate) {
  command.add_option(flag, values, help)
      ->type_name("[NAME=]VALUE")
      ->allow_extra_args(false)
      ->needs(evaluate)
      ->check([](const std::string& text) {
        T value{};
        return CLI::detail::lexical_cast(SplitName(text).value, value) ? "" : text + " is not a number";
      });
}

// Hands the flag's values, which CLI11 has checked, to the texts they are meant for. A value for one text outdoes one
// for all, whichever comes first.
template <typename T>
absl::Status SetPerText(const char* flag, const std::vector<std::string>& values, v1::JobSpec& spec,
                        void (v1::EvaluationSpec::*set)(T)) {
  const auto assign = [&](bool named) -> absl::Status {
    for (const std::string& text : values) {
      const Named given = SplitName(text);
      if (given.name.empty() == named) continue;
      T value{};
      CLI::detail::lexical_cast(given.value, value);
      bool found = false;
      for (v1::EvaluationSpec& evaluation : *spec.mutable_evaluations()) {
        if (named && evaluation.name() != given.name) continue;
        (evaluation.*set)(value);
        found = true;
      }
      if (!found) return FieldError(flag, text, "NAME=VALUE with the NAME of an --evaluate NAME=URI");
    }
    return absl::OkStatus();
  };
  RETURN_IF_ERROR(assign(/*named=*/false));
  return assign(/*named=*/true);
}

absl::Status AddEvaluations(const SpecFlags& flags, absl::string_view directory, v1::JobSpec& spec) {
  for (const std::string& text : flags.evaluate) {
    const Named given = SplitName(text);
    v1::EvaluationSpec& evaluation = *spec.add_evaluations();
    evaluation.set_name(given.name);
    evaluation.add_uris(AbsoluteUri(given.value, directory));
  }
  RETURN_IF_ERROR(SetPerText("--evaluate-windows", flags.evaluate_windows, spec, &v1::EvaluationSpec::set_windows));
  RETURN_IF_ERROR(SetPerText("--evaluate-sequence-length", flags.evaluate_sequence_length, spec,
                             &v1::EvaluationSpec::set_sequence_length));
  RETURN_IF_ERROR(SetPerText("--evaluate-stride", flags.evaluate_stride, spec, &v1::EvaluationSpec::set_stride));
  RETURN_IF_ERROR(
      SetPerText("--gate-perplexity", flags.gate_perplexity, spec, &v1::EvaluationSpec::set_max_perplexity));
  return SetPerText("--gate-ratio", flags.gate_ratio, spec, &v1::EvaluationSpec::set_max_ratio);
}

}  // namespace

void AddSpecFlags(CLI::App& command, SpecFlags& flags) {
  command.add_option("--model", flags.model, "Folder of the Hugging Face checkpoint: a path, file:// or s3://")
      ->required();
  command.add_option("--output", flags.output, "Folder for the pruned checkpoint; must not exist or be empty")
      ->required();
  command.add_option("--sparsity", flags.sparsity, "Share of the blocks' weights to remove, between 0 and 1")
      ->required();
  command
      .add_option(
          "--calibration", flags.calibration,
          "Calibration text: .txt or .jsonl, plain or .gz, .xz, .zst; .parquet; token ids in .safetensors; or a "
          "folder of such files. Repeatable: the files follow each other")
      ->required()
      ->allow_extra_args(false);
  command.add_option("--samples", flags.samples, "Calibration windows [128]");
  command.add_option("--sequence-length", flags.sequence_length,
                     "Tokens a calibration window [context length, at most 2048]");
  auto* const evaluate =
      command
          .add_option("--evaluate", flags.evaluate,
                      "[NAME=]URI of a text on which to measure the dense and the pruned model. "
                      "Repeatable. The flags of an evaluation take VALUE, or NAME=VALUE for one text")
          ->allow_extra_args(false);
  AddPerText<int>(command, "--evaluate-windows", flags.evaluate_windows, "Windows to measure [all]", evaluate);
  AddPerText<int>(command, "--evaluate-sequence-length", flags.evaluate_sequence_length,
                  "Tokens a window [as --sequence-length]", evaluate);
  AddPerText<int>(command, "--evaluate-stride", flags.evaluate_stride,
                  "Tokens from a window to the next; if less than a window, windows overlap [a window]", evaluate);
  AddPerText<double>(command, "--gate-perplexity", flags.gate_perplexity,
                     "Fail before publishing if the pruned model's perplexity is above this [no gate]", evaluate);
  AddPerText<double>(command, "--gate-ratio", flags.gate_ratio,
                     "The same if it is above this many times the dense model's [no gate]", evaluate);
  AddEnum<v1::Method>(command, "--method", flags.method, "Algorithm [besa]");
  AddEnum<v1::Preset>(command, "--preset", flags.preset, "Set of BESA's constants [default]");
  AddEnum<v1::Granularity>(command, "--granularity", flags.granularity, "What one learned rate covers [row]");
  AddEnum<v1::Schedule>(command, "--schedule", flags.schedule, "Activations a block is trained on [independent]");
  AddEnum<v1::Reference>(command, "--reference", flags.reference,
                         "What a block's output is compared with [by preset and schedule]");
  AddEnum<v1::ComputeType>(command, "--compute", flags.compute, "Arithmetic [float32 on a CPU, bfloat16 on a GPU]");
  command.add_option("--batch-size", flags.batch_size, "Samples a step [by preset]");
  command.add_option("--epochs", flags.epochs, "Passes over the samples [1]");
  command.add_option("--d-coef", flags.d_coef, "Prodigy's d_coef [by granularity and model size]");
  command.add_option("--prior-sigma", flags.prior_sigma, "Width of the prior over rates, preset default only [0.08]");
  command.add_option("--pattern", flags.pattern,
                     "N:M sparsity such as 2:4: of every M inputs in a row, N are kept; not for besa [none]");
  command.add_option("--sparsegpt-block-size", flags.sparsegpt_block_size, "Columns SparseGPT masks at once [128]");
  command.add_option("--sparsegpt-damping", flags.sparsegpt_damping,
                     "Added to the Hessian's diagonal, as a share of its mean [0.01]");
  AddEnum<v1::Quality>(
      command, "--quality", flags.quality,
      "How much work the result is worth: stands for a schedule, a loss and a recovery [none: see each]");
  command.add_option("--recovery-epochs", flags.recovery_epochs,
                     "Passes over the samples in which what is kept is tuned; without a flag of recovery there is none "
                     "[4, or by quality]");
  command.add_option("--recovery-learning-rate", flags.recovery_learning_rate, "Of recovery's first step [0.001]");
  command.add_option("--recovery-batch-size", flags.recovery_batch_size, "Samples a step of recovery [4]");
  AddEnum<v1::RecoveryMasks>(command, "--recovery-masks", flags.recovery_masks,
                             "Whether recovery removes weights bit by bit or all at once [growing]");
  command.add_option("--recovery-decay", flags.recovery_decay,
                     "Pull of recovery towards the dense weights, as a multiple of the learning rate [0]");
  command.add_option("--recovery-dense-every", flags.recovery_dense_every,
                     "Every so-manyth pass of recovery takes the dense model's activations as inputs [0: none]");
  AddEnum<v1::BlockAllocation>(
      command, "--block-allocation", flags.block_allocation,
      "Whether blocks that the model can do without lose more than others [measured for besa's "
      "preset default, else uniform]");
  AddEnum<v1::Loss>(command, "--loss", flags.loss,
                    "Which output a block is trained to keep: its own, or that of the dense block behind it as well "
                    "[lookahead, but block for the preset paper and the quality fast]");
  AddEnum<v1::Activations>(command, "--activations", flags.activations,
                           "Whether workers walk to their blocks or store activations first [the faster]");
  command.add_option("--seed", flags.seed, "Seed of everything random [0]");
  command.add_option("--name", flags.name, "A name for people, shown in lists");
  command.add_option("--priority", flags.priority,
                     "From -100 to 100: jobs of a higher one get free workers first; equal ones share [0]");
  command.add_option("--owner", flags.owner, "Whose job it is");
  command.add_option("--label", flags.labels, "A mark of your own; --filter 'labels.KEY = VALUE' finds it. Repeatable")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  AddDurationOption(command, "--time-limit", flags.time_limit,
                    "Fail if the job does not publish by then; committed blocks are kept [none]");
  command
      .add_option("--completion-hook", flags.completion_hook,
                  "http:// or https:// address that is told, signed, when the job has ended [none]")
      ->type_name("URL");
  command.add_option("--request-id", flags.request_id,
                     "A UUID of your own: repeating the command with it returns the same job [a new one]");
}

absl::StatusOr<v1::CreateJobRequest> MakeCreateRequest(const SpecFlags& flags, absl::string_view directory) {
  v1::CreateJobRequest request;
  request.set_request_id(flags.request_id);
  v1::JobSpec& spec = *request.mutable_job()->mutable_spec();
  spec.set_model_uri(AbsoluteUri(flags.model, directory));
  spec.set_output_uri(AbsoluteUri(flags.output, directory));
  spec.set_sparsity(flags.sparsity);
  for (const std::string& uri : flags.calibration) spec.mutable_calibration()->add_uris(AbsoluteUri(uri, directory));
  spec.mutable_calibration()->set_samples(flags.samples);
  spec.mutable_calibration()->set_sequence_length(flags.sequence_length);
  RETURN_IF_ERROR(AddEvaluations(flags, directory, spec));
  v1::MethodSpec& method = *spec.mutable_method();
  method.set_method(FromFlag<v1::Method>(flags.method));
  method.set_preset(FromFlag<v1::Preset>(flags.preset));
  method.set_granularity(FromFlag<v1::Granularity>(flags.granularity));
  method.set_schedule(FromFlag<v1::Schedule>(flags.schedule));
  method.set_reference(FromFlag<v1::Reference>(flags.reference));
  method.set_compute_type(FromFlag<v1::ComputeType>(flags.compute));
  method.set_batch_size(flags.batch_size);
  method.set_epochs(flags.epochs);
  method.set_d_coef(flags.d_coef);
  method.set_prior_sigma(flags.prior_sigma);
  method.set_pattern(flags.pattern);
  method.set_sparsegpt_block_size(flags.sparsegpt_block_size);
  method.set_sparsegpt_damping(flags.sparsegpt_damping);
  method.set_quality(FromFlag<v1::Quality>(flags.quality));
  method.set_block_allocation(FromFlag<v1::BlockAllocation>(flags.block_allocation));
  method.set_loss(FromFlag<v1::Loss>(flags.loss));
  if (flags.recovery_epochs != 0 || flags.recovery_learning_rate != 0 || flags.recovery_batch_size != 0 ||
      !flags.recovery_masks.empty() || flags.recovery_decay || flags.recovery_dense_every) {
    method.mutable_recovery()->set_epochs(flags.recovery_epochs);
    method.mutable_recovery()->set_learning_rate(flags.recovery_learning_rate);
    method.mutable_recovery()->set_batch_size(flags.recovery_batch_size);
    method.mutable_recovery()->set_masks(FromFlag<v1::RecoveryMasks>(flags.recovery_masks));
    if (flags.recovery_decay) method.mutable_recovery()->set_decay(*flags.recovery_decay);
    if (flags.recovery_dense_every) method.mutable_recovery()->set_dense_every(*flags.recovery_dense_every);
  }
  spec.set_seed(flags.seed);
  spec.set_display_name(flags.name);
  v1::Job& job = *request.mutable_job();
  job.set_activations(FromFlag<v1::Activations>(flags.activations));
  job.set_priority(flags.priority);
  job.set_owner(flags.owner);
  for (const std::string& label : flags.labels) {
    const size_t equals = label.find('=');
    if (equals == std::string::npos) return FieldError("--label", label, "KEY=VALUE");
    (*job.mutable_labels())[label.substr(0, equals)] = label.substr(equals + 1);
  }
  if (!flags.completion_hook.empty()) job.mutable_completion_hook()->set_uri(flags.completion_hook);
  if (flags.time_limit > absl::ZeroDuration()) *job.mutable_time_limit() = ToProto(flags.time_limit);
  return request;
}

}  // namespace besa::client
