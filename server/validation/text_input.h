// The calibration and evaluation inputs of a job, checked without tokenising them.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "storage/object/object_store.h"

namespace besa::server {

struct TextInput {
  // Normalised.
  std::string uri;
  // Whether the file holds token ids, so that no tokenizer is needed.
  bool token_ids = false;
};

// Checks that the file at `uri` is there, is of a kind that workers read (.txt or .jsonl, plain or .gz, .xz, .zst; or
// .safetensors with integer "input_ids" [samples, tokens]) and is not obviously too short for one window of
// `sequence_length` tokens: a token takes at least a byte of plain text. What remains is found out by the prepare task.
// Errors name `field` ("calibration.uri").
absl::StatusOr<TextInput> CheckTextInput(storage::ObjectStore& store, absl::string_view uri, int64_t sequence_length,
                                         absl::string_view field);

}  // namespace besa::server
