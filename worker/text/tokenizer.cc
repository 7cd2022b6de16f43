#include "worker/text/tokenizer.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "hf_tokenizers.h"

namespace besa::text {
namespace {

const uint8_t* Bytes(absl::string_view text) { return reinterpret_cast<const uint8_t*>(text.data()); }

std::string TakeString(char* text) {
  std::string copy(text);
  hf_string_free(text);
  return copy;
}

}  // namespace

absl::StatusOr<Tokenizer> Tokenizer::Parse(absl::string_view json, absl::string_view file) {
  char* error = nullptr;
  HfTokenizer* tokenizer = hf_tokenizer_new(Bytes(json), json.size(), &error);
  if (tokenizer == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat(file, " is not a tokenizer: ", TakeString(error)));
  }
  return Tokenizer(tokenizer);
}

absl::Status Tokenizer::Encode(absl::string_view text, std::vector<int32_t>& ids) const {
  char* error = nullptr;
  HfIds encoded{};
  if (hf_tokenizer_encode(tokenizer_.get(), Bytes(text), text.size(), &encoded, &error) != 0) {
    return absl::InvalidArgumentError(absl::StrCat("the text cannot be tokenized: ", TakeString(error)));
  }
  ids.insert(ids.end(), encoded.data, encoded.data + encoded.size);
  hf_ids_free(encoded);
  return absl::OkStatus();
}

void Tokenizer::Deleter::operator()(HfTokenizer* tokenizer) const { hf_tokenizer_free(tokenizer); }

}  // namespace besa::text
