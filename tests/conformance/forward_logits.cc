// Writes the logits that the worker's own engine computes, for comparison with other implementations.
//
//   forward_logits MODEL_FOLDER IDS.safetensors LOGITS.safetensors
//
// IDS holds "input_ids" int32 [windows, length]; LOGITS receives "logits" float32 [windows, length, vocabulary].
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/base/status_macros.h"
#include "storage/checkpoint/checkpoint.h"
#include "storage/object/open_store.h"
#include "storage/safetensors/safetensors.h"
#include "worker/pruner/pruner.h"

namespace besa {
namespace {

absl::StatusOr<pruner::TokenWindows> ReadTokens(storage::ObjectStore& store, const storage::Uri& uri) {
  ASSIGN_OR_RETURN(const auto header, storage::ReadSafetensorsHeader(store, uri));
  const auto found = header.tensors.find("input_ids");
  if (found == header.tensors.end() || found->second.dtype != storage::DType::kI32 || found->second.shape.size() != 2) {
    return absl::InvalidArgumentError("expected a tensor input_ids, I32, [windows, length]");
  }
  const auto& entry = found->second;
  pruner::TokenWindows tokens{.windows = entry.shape[0], .length = entry.shape[1]};
  tokens.ids.resize(tokens.windows * tokens.length);
  RETURN_IF_ERROR(store.ReadRange(uri, entry.offset, std::as_writable_bytes(std::span(tokens.ids))));
  return tokens;
}

absl::Status Run(const std::string& model, const std::string& ids, const std::string& logits) {
  ASSIGN_OR_RETURN(const auto store, storage::OpenStore({.allowed_prefixes = {"/"}}));
  ASSIGN_OR_RETURN(const auto model_uri, storage::Uri::Parse(model, "MODEL_FOLDER"));
  ASSIGN_OR_RETURN(const auto ids_uri, storage::Uri::Parse(ids, "IDS"));
  ASSIGN_OR_RETURN(const auto logits_uri, storage::Uri::Parse(logits, "LOGITS"));
  ASSIGN_OR_RETURN(const auto checkpoint, storage::Checkpoint::Open(*store, model_uri));
  ASSIGN_OR_RETURN(const auto tokens, ReadTokens(*store, ids_uri));
  ASSIGN_OR_RETURN(const auto engine, pruner::Engine::Create({.device = "cpu"}));
  ASSIGN_OR_RETURN(const auto values, engine->Logits(checkpoint.config(), checkpoint, tokens));

  storage::HostTensor tensor{.name = "logits",
                             .dtype = storage::DType::kF32,
                             .shape = {tokens.windows, tokens.length, checkpoint.config().vocab_size}};
  tensor.bytes.resize(values.size() * sizeof(float));
  std::memcpy(tensor.bytes.data(), values.data(), tensor.bytes.size());
  std::vector<storage::HostTensor> tensors;
  tensors.push_back(std::move(tensor));
  return storage::WriteSafetensors(*store, logits_uri, tensors, {}).status();
}

}  // namespace
}  // namespace besa

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: %s MODEL_FOLDER IDS.safetensors LOGITS.safetensors\n", argv[0]);
    return 2;
  }
  if (const absl::Status status = besa::Run(argv[1], argv[2], argv[3]); !status.ok()) {
    std::fprintf(stderr, "%s\n", status.ToString().c_str());
    return 1;
  }
  return 0;
}
