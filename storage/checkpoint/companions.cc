#include "storage/checkpoint/companions.h"

#include <algorithm>
#include <array>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/strip.h"

namespace besa::storage {
namespace {

constexpr std::array<absl::string_view, 12> kNames = {
    "config.json",        "generation_config.json",  "tokenizer.json",    "tokenizer_config.json",
    "vocab.json",         "tokenizer.model",         "merges.txt",        "vocab.txt",
    "chat_template.json", "special_tokens_map.json", "added_tokens.json", "chat_template.jinja"};

// Texts for people, in lower case, with or without an extension of the list below.
constexpr std::array<absl::string_view, 6> kTexts = {"license", "licence", "copying", "notice", "use_policy", "readme"};
constexpr std::array<absl::string_view, 4> kTextExtensions = {"", ".txt", ".md", ".rst"};

template <typename List>
bool Contains(const List& list, absl::string_view value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

}  // namespace

bool IsCompanion(absl::string_view path) {
  if (Contains(kNames, path)) return true;
  if (absl::ConsumePrefix(&path, "additional_chat_templates/")) {
    return absl::EndsWith(path, ".jinja") && !absl::StrContains(path, "/");
  }
  const std::string lower = absl::AsciiStrToLower(path);
  for (const absl::string_view text : kTexts) {
    absl::string_view extension = lower;
    if (absl::ConsumePrefix(&extension, text)) return Contains(kTextExtensions, extension);
  }
  return false;
}

}  // namespace besa::storage
