#include "storage/checkpoint/json_document.h"

#include "absl/strings/str_cat.h"
#include "storage/base/error_info.h"

namespace besa::storage {
namespace {

constexpr int kMaxDepth = 32;

}  // namespace

absl::StatusOr<nlohmann::json> ParseJsonObject(absl::string_view text, absl::string_view what) {
  bool too_deep = false;
  const auto limit_depth = [&](int depth, nlohmann::json::parse_event_t, const nlohmann::json&) {
    too_deep |= depth > kMaxDepth;
    // What is dropped is not built, so neither is the tower.
    return !too_deep;
  };
  auto document = nlohmann::json::parse(text.begin(), text.end(), limit_depth, /*allow_exceptions=*/false);
  if (too_deep) return FieldError(what, "", absl::StrCat("JSON nested at most ", kMaxDepth, " levels deep"));
  if (document.is_discarded()) {
    return FieldError(what, absl::StrCat("text of ", text.size(), " bytes"), "valid JSON in UTF-8");
  }
  if (!document.is_object()) return FieldError(what, QuoteValue(document), "a JSON object");
  return document;
}

std::string QuoteValue(const nlohmann::json& value) {
  std::string text = value.dump(-1, ' ', /*ensure_ascii=*/true);
  constexpr size_t kLimit = 200;
  if (text.size() > kLimit) text = absl::StrCat(text.substr(0, kLimit), "...");
  return text;
}

}  // namespace besa::storage
