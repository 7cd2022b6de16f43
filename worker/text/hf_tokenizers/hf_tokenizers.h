// A Hugging Face tokenizer (tokenizer.json) behind a C interface; implemented in Rust by the tokenizers crate.
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// Immutable once made; may be used by several threads at once.
typedef struct HfTokenizer HfTokenizer;

// An array of token ids owned by the library: give it back with hf_ids_free.
typedef struct HfIds {
  uint32_t* data;
  size_t size;
} HfIds;

// Parses the bytes of a tokenizer.json. Truncation and padding that it may ask for are switched off: we cut windows
// ourselves. NULL on failure; then *error is a zero-terminated message to give back with hf_string_free.
HfTokenizer* hf_tokenizer_new(const uint8_t* json, size_t size, char** error);

// NULL is allowed.
void hf_tokenizer_free(HfTokenizer* tokenizer);

// The ids of a text, without the special tokens that the tokenizer's post-processor adds at the ends (BOS, EOS).
// Returns 0, or 1 on failure (text that is not UTF-8, a model that cannot encode it) with *error as above.
int hf_tokenizer_encode(const HfTokenizer* tokenizer, const uint8_t* text, size_t size, HfIds* ids, char** error);

void hf_ids_free(HfIds ids);

// NULL is allowed.
void hf_string_free(char* text);

#ifdef __cplusplus
}
#endif
