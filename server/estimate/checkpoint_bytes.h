// Bytes of a checkpoint, by what they are read for.
#pragma once

#include <cstdint>

#include "storage/checkpoint/checkpoint.h"

namespace besa::server {

struct CheckpointBytes {
  // Of all blocks, and of everything outside them.
  int64_t blocks = 0;
  int64_t others = 0;
  // Of the embeddings, where every walk begins, and of the head, which may be the same tensor.
  int64_t embeddings = 0;
  int64_t head = 0;
  // config.json, index and tensor headers, which every task reads.
  int64_t headers = 0;
  // The files beside the weights, which the prepare task hashes, and among them the tokenizer, which it reads once
  // more.
  int64_t companions = 0;
  int64_t tokenizer = 0;
};

CheckpointBytes BytesOf(const storage::Checkpoint& checkpoint);

}  // namespace besa::server
