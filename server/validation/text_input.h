// The calibration and evaluation inputs of a job, checked without tokenising them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/repeated_ptr_field.h"
#include "storage/object/object_store.h"

namespace besa::server {

struct TextInput {
  // Normalised; folders are replaced by their files.
  std::vector<std::string> uris;
  // Whether the files hold token ids, so that no tokenizer is needed.
  bool token_ids = false;
};

using Uris = google::protobuf::RepeatedPtrField<std::string>;

// Checks that every file is there, is of a kind that workers read (.txt or .jsonl, plain or .gz, .xz, .zst; .parquet;
// or .safetensors with integer "input_ids" [samples, tokens], the latter not beside others) and that all together are
// not obviously too short for one window of `sequence_length` tokens: a token takes at least a byte of plain text. What
// remains is found out by the prepare task. An address that is no such file is a folder and stands for all of them in
// it, at any depth, sorted by address. At most 1000 files. Errors name `field` ("calibration.uris") and the file.
absl::StatusOr<TextInput> CheckTextInput(storage::ObjectStore& store, const Uris& uris, int64_t sequence_length,
                                         absl::string_view field);

// What to call a text if nobody says: the last part of its first address, without the endings of files, in letters,
// digits, dots, dashes and underscores.
std::string TextNameOf(absl::string_view uri);

}  // namespace besa::server
