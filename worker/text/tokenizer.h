// A model's own tokenizer, by the Hugging Face tokenizers crate.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

struct HfTokenizer;

namespace besa::text {

// Immutable, thread-safe.
class Tokenizer {
 public:
  // From the content of a tokenizer.json. INVALID_ARGUMENT naming `file` if it is not one.
  static absl::StatusOr<Tokenizer> Parse(absl::string_view json, absl::string_view file);

  // Appends the ids of `text`, encoded as a whole, to `ids`; no BOS or EOS is added. INVALID_ARGUMENT if the text is
  // not UTF-8 or cannot be encoded.
  absl::Status Encode(absl::string_view text, std::vector<int32_t>& ids) const;

 private:
  struct Deleter {
    void operator()(HfTokenizer* tokenizer) const;
  };
  explicit Tokenizer(HfTokenizer* tokenizer) : tokenizer_(tokenizer) {}

  std::unique_ptr<HfTokenizer, Deleter> tokenizer_;
};

}  // namespace besa::text
