// A checkpoint small enough to be written by every test that needs one.
#pragma once

#include <string>
#include <vector>

#include "storage/checkpoint/model_config.h"
#include "storage/object/object_store.h"
#include "storage/safetensors/safetensors.h"

namespace besa::server::testing {

inline constexpr int kTinyBlocks = 2;

// LLaMA: 2 blocks, width 8, MLP 16, vocabulary 32, tied embeddings, context 64, bfloat16.
std::string TinyConfig();

// config.json, model.safetensors and a tokenizer.json. Aborts if it cannot be written.
void WriteTinyCheckpoint(storage::ObjectStore& store, const storage::Uri& folder);

// A tensor whose bytes follow from its name.
storage::HostTensor TinyTensor(const std::string& name, std::vector<int64_t> shape);

// The tensors of a block of the tiny checkpoint; those outside the blocks.
std::vector<storage::HostTensor> TinyBlock(int block);
std::vector<storage::HostTensor> TinyRest();

}  // namespace besa::server::testing
