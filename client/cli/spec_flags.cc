#include "client/cli/spec_flags.h"

#include <vector>

#include "CLI/CLI.hpp"
#include "client/cli/format.h"
#include "client/cli/local_path.h"

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

}  // namespace

void AddSpecFlags(CLI::App& command, SpecFlags& flags) {
  command.add_option("--model", flags.model, "Folder of the Hugging Face checkpoint: a path, file:// or s3://")
      ->required();
  command.add_option("--output", flags.output, "Folder for the pruned checkpoint; must not exist or be empty")
      ->required();
  command.add_option("--sparsity", flags.sparsity, "Share of the blocks' weights to remove, between 0 and 1")
      ->required();
  command
      .add_option("--calibration", flags.calibration,
                  "Calibration text: .txt or .jsonl, plain or .gz, .xz, .zst; or token ids in .safetensors")
      ->required();
  command.add_option("--samples", flags.samples, "Calibration windows [128]");
  command.add_option("--sequence-length", flags.sequence_length,
                     "Tokens a calibration window [context length, at most 2048]");
  auto* const evaluate =
      command.add_option("--evaluate", flags.evaluate, "Text on which to measure dense and pruned perplexity");
  command.add_option("--evaluate-windows", flags.evaluate_windows, "Windows of it [all]")->needs(evaluate);
  command
      .add_option("--evaluate-sequence-length", flags.evaluate_sequence_length,
                  "Tokens a window of it [as --sequence-length]")
      ->needs(evaluate);
  AddEnum<v1::Method>(command, "--method", flags.method, "Algorithm [besa]");
  AddEnum<v1::Preset>(command, "--preset", flags.preset, "Set of BESA's constants [default]");
  AddEnum<v1::Granularity>(command, "--granularity", flags.granularity, "What one learned rate covers [row]");
  AddEnum<v1::Schedule>(command, "--schedule", flags.schedule, "Activations a block is trained on [independent]");
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
  command.add_option("--seed", flags.seed, "Seed of everything random [0]");
  command.add_option("--name", flags.name, "A name for people, shown in lists");
  command.add_option("--request-id", flags.request_id,
                     "A UUID of your own: repeating the command with it returns the same job [a new one]");
}

v1::CreateJobRequest MakeCreateRequest(const SpecFlags& flags, absl::string_view directory) {
  v1::CreateJobRequest request;
  request.set_request_id(flags.request_id);
  v1::JobSpec& spec = *request.mutable_job()->mutable_spec();
  spec.set_model_uri(AbsoluteUri(flags.model, directory));
  spec.set_output_uri(AbsoluteUri(flags.output, directory));
  spec.set_sparsity(flags.sparsity);
  spec.mutable_calibration()->set_uri(AbsoluteUri(flags.calibration, directory));
  spec.mutable_calibration()->set_samples(flags.samples);
  spec.mutable_calibration()->set_sequence_length(flags.sequence_length);
  if (!flags.evaluate.empty()) {
    spec.mutable_evaluation()->set_uri(AbsoluteUri(flags.evaluate, directory));
    spec.mutable_evaluation()->set_windows(flags.evaluate_windows);
    spec.mutable_evaluation()->set_sequence_length(flags.evaluate_sequence_length);
  }
  v1::MethodSpec& method = *spec.mutable_method();
  method.set_method(FromFlag<v1::Method>(flags.method));
  method.set_preset(FromFlag<v1::Preset>(flags.preset));
  method.set_granularity(FromFlag<v1::Granularity>(flags.granularity));
  method.set_schedule(FromFlag<v1::Schedule>(flags.schedule));
  method.set_compute_type(FromFlag<v1::ComputeType>(flags.compute));
  method.set_batch_size(flags.batch_size);
  method.set_epochs(flags.epochs);
  method.set_d_coef(flags.d_coef);
  method.set_prior_sigma(flags.prior_sigma);
  method.set_pattern(flags.pattern);
  method.set_sparsegpt_block_size(flags.sparsegpt_block_size);
  method.set_sparsegpt_damping(flags.sparsegpt_damping);
  spec.set_seed(flags.seed);
  spec.set_display_name(flags.name);
  return request;
}

}  // namespace besa::client
