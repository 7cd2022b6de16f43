#include "server/estimate/checkpoint_bytes.h"

#include <algorithm>
#include <string>

namespace besa::server {

CheckpointBytes BytesOf(const storage::Checkpoint& checkpoint) {
  CheckpointBytes bytes;
  const auto size = [&](const std::string& name) {
    const auto location = checkpoint.Find(name);
    return location.ok() ? location->entry.size : 0;
  };
  for (int64_t block = 0; block < checkpoint.config().num_hidden_layers; ++block) {
    for (const std::string& name : checkpoint.BlockTensors(block)) bytes.blocks += size(name);
  }
  for (const std::string& name : checkpoint.OtherTensors()) bytes.others += size(name);
  bytes.embeddings = size("model.embed_tokens.weight");
  bytes.head = checkpoint.config().tie_word_embeddings ? bytes.embeddings : size("lm_head.weight");
  for (const auto& [name, header] : checkpoint.files()) {
    // What lies in front of the first tensor.
    int64_t first = 0;
    for (const auto& [tensor, entry] : header.tensors)
      first = first == 0 ? entry.offset : std::min(first, entry.offset);
    bytes.headers += first;
  }
  for (const storage::ObjectInfo& file : checkpoint.companions()) {
    bytes.companions += file.size;
    if (file.uri.name() == "config.json") bytes.headers += file.size;
    if (file.uri.name() == "tokenizer.json") bytes.tokenizer = file.size;
  }
  return bytes;
}

}  // namespace besa::server
