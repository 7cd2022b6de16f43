#include "server/testing/scripted_task.h"

#include <stdexcept>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_format.h"
#include "server/testing/tiny_checkpoint.h"
#include "storage/base/sha256.h"
#include "storage/safetensors/safetensors.h"

namespace besa::server::testing {
namespace {

using storage::HostTensor;
using storage::ObjectStore;
using storage::Uri;

template <class T>
T Must(absl::StatusOr<T> value) {
  if (!value.ok()) throw std::runtime_error(value.status().ToString());
  return *std::move(value);
}

void AddFile(ObjectStore& store, const v1::Assignment& assignment, const std::string& path,
             const std::vector<HostTensor>& tensors, v1::TaskResult& result) {
  const Uri uri = Must(Uri::Parse(assignment.attempt_uri())).Join(path);
  const storage::WrittenFile written = Must(storage::WriteSafetensors(store, uri, tensors, {{"format", "pt"}}));
  v1::File& file = *result.add_files();
  file.set_path(path);
  file.set_size(written.size);
  file.set_sha256(written.sha256);
}

void AddInput(ObjectStore& store, const std::string& address, v1::PrepareResult& prepare) {
  const storage::ObjectInfo info = Must(store.Stat(Must(Uri::Parse(address))));
  v1::InputFingerprint& input = *prepare.add_inputs();
  input.set_uri(address);
  input.set_size(info.size);
  input.set_etag(info.etag);
  input.set_sha256(absl::EndsWith(address, ".safetensors")
                       ? Must(storage::ReadSafetensorsHeader(store, info.uri)).sha256
                       : Sha256Hex(Must(storage::ReadAll(store, info.uri, 1 << 20))));
}

HostTensor TokenIds(int64_t windows, int64_t length) {
  return {.name = "input_ids",
          .dtype = storage::DType::kI32,
          .shape = {windows, length},
          .bytes = HostBytes(static_cast<size_t>(windows * length * 4), std::byte{0})};
}

void Prepare(ObjectStore& store, const v1::Assignment& assignment, v1::TaskResult& result) {
  const v1::JobSpec& spec = assignment.spec();
  v1::PrepareResult& prepare = *result.mutable_prepare();
  for (const char* file : {"/config.json", "/model.safetensors", "/tokenizer.json"}) {
    AddInput(store, spec.model_uri() + file, prepare);
  }
  for (const std::string& uri : spec.calibration().uris()) AddInput(store, uri, prepare);
  AddFile(store, assignment, "calibration.safetensors",
          {TokenIds(spec.calibration().samples(), spec.calibration().sequence_length())}, result);
  prepare.set_calibration_sha256(Sha256Hex("calibration"));
  prepare.set_calibration_text_tokens(1000);
  prepare.set_block_memory_bytes(1 << 20);
  prepare.set_evaluation_memory_bytes(1 << 20);
  prepare.set_comparison_memory_bytes(2 << 20);
  if (spec.method().block_allocation() == v1::BLOCK_ALLOCATION_MEASURED) {
    for (int block = 0; block < kTinyBlocks; ++block) prepare.add_block_sparsity(spec.sparsity());
  }
  for (int i = 0; i < spec.evaluations_size(); ++i) {
    const v1::EvaluationSpec& text = spec.evaluations(i);
    for (const std::string& uri : text.uris()) AddInput(store, uri, prepare);
    AddFile(store, assignment, absl::StrFormat("evaluation-%05d.safetensors", i), {TokenIds(2, text.sequence_length())},
            result);
    v1::PreparedText& prepared = *prepare.add_evaluations();
    prepared.set_name(text.name());
    prepared.set_sha256(Sha256Hex(text.name()));
    prepared.set_text_tokens(500);
    prepared.set_windows(2);
  }
}

void Prune(ObjectStore& store, const v1::Assignment& assignment, v1::TaskResult& result) {
  v1::BlockResult& block = *result.mutable_block();
  block.set_block(assignment.block());
  block.set_final_loss(0.125);
  block.add_loss(0.5F);
  block.add_step_sparsity(0.5F);
  block.set_input_sha256(Sha256Hex("dense block"));
  std::vector<HostTensor> tensors = TinyBlock(assignment.block());
  for (HostTensor& tensor : tensors) {
    if (tensor.shape.size() != 2) continue;
    const int64_t weights = tensor.shape[0] * tensor.shape[1];
    for (int64_t i = 0; i < weights; i += 2) {
      tensor.bytes[static_cast<size_t>(2 * i)] = std::byte{0};
      tensor.bytes[static_cast<size_t>(2 * i + 1)] = std::byte{0};
    }
    v1::LinearResult& linear = *block.add_linears();
    linear.set_name(tensor.name.substr(0, tensor.name.size() - std::string(".weight").size()));
    linear.set_rows(tensor.shape[0]);
    linear.set_cols(tensor.shape[1]);
    linear.set_zeros(weights / 2);
    block.set_weights(block.weights() + weights);
    block.set_zeros(block.zeros() + weights / 2);
  }
  // Two files, as for a block that is larger than a file may be.
  const auto half = tensors.begin() + 4;
  AddFile(store, assignment, "shard-00001.safetensors", {tensors.begin(), half}, result);
  AddFile(store, assignment, "shard-00002.safetensors", {half, tensors.end()}, result);
  AddFile(store, assignment, "allocation.safetensors", {TinyTensor("rate", {8})}, result);
}

void PassThrough(ObjectStore& store, const v1::Assignment& assignment, v1::TaskResult& result) {
  const std::vector<HostTensor> tensors = TinyRest();
  for (const HostTensor& tensor : tensors) result.mutable_passthrough()->add_tensors(tensor.name);
  AddFile(store, assignment, "rest-00001.safetensors", tensors, result);
}

void Evaluate(const v1::Assignment& assignment, v1::TaskResult& result) {
  const bool dense = assignment.kind() == v1::TASK_KIND_EVALUATE_DENSE;
  result.mutable_evaluation();
  for (const v1::EvaluationSpec& text : assignment.spec().evaluations()) {
    v1::Perplexity& perplexity = *result.mutable_evaluation()->add_texts();
    perplexity.set_name(text.name());
    perplexity.set_perplexity(dense ? 20.0 : 25.0);
    if (!dense) perplexity.set_kl_divergence(0.25);
    perplexity.set_windows(2);
    perplexity.set_sequence_length(text.sequence_length());
    perplexity.set_stride(text.stride());
    perplexity.set_tokens(int64_t{2} * (perplexity.sequence_length() - 1));
    perplexity.set_text_sha256(Sha256Hex(text.name()));
  }
}

}  // namespace

v1::TaskResult RunScriptedTask(ObjectStore& store, const v1::Assignment& assignment) {
  v1::TaskResult result;
  result.set_numerics("scripted");
  v1::StageSeconds& stage = *result.add_stages();
  stage.set_stage("write");
  stage.set_seconds(0.5);
  switch (assignment.kind()) {
    case v1::TASK_KIND_PREPARE:
      Prepare(store, assignment, result);
      break;
    case v1::TASK_KIND_PRUNE:
      Prune(store, assignment, result);
      break;
    case v1::TASK_KIND_PASSTHROUGH:
      PassThrough(store, assignment, result);
      break;
    default:
      Evaluate(assignment, result);
  }
  return result;
}

}  // namespace besa::server::testing
