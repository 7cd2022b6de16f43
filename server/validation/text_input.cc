#include "server/validation/text_input.h"

#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "server/validation/field_context.h"
#include "storage/base/error_info.h"
#include "storage/base/status_macros.h"
#include "storage/safetensors/safetensors.h"

namespace besa::server {
namespace {

constexpr char kFormats[] = "a .txt or .jsonl file, plain or .gz, .xz, .zst, or a .safetensors file of token ids";

enum class Format { kPlainText, kCompressedText, kTokenIds };

std::optional<Format> FormatOf(absl::string_view name) {
  if (absl::EndsWith(name, ".safetensors")) return Format::kTokenIds;
  const bool compressed =
      absl::ConsumeSuffix(&name, ".gz") || absl::ConsumeSuffix(&name, ".xz") || absl::ConsumeSuffix(&name, ".zst");
  if (!absl::EndsWith(name, ".txt") && !absl::EndsWith(name, ".jsonl")) return std::nullopt;
  return compressed ? Format::kCompressedText : Format::kPlainText;
}

absl::Status CheckTokenIds(storage::ObjectStore& store, const storage::Uri& uri, int64_t sequence_length,
                           absl::string_view field) {
  const auto header = storage::ReadSafetensorsHeader(store, uri);
  if (!header.ok()) return InField(field, uri.ToString(), header.status());
  const auto found = header->tensors.find("input_ids");
  if (found == header->tensors.end()) {
    return FieldError(field, uri.ToString(), "a file with the tensor \"input_ids\"");
  }
  const storage::TensorEntry& ids = found->second;
  if (ids.dtype != storage::DType::kI32 && ids.dtype != storage::DType::kI64) {
    return FieldError(
        field, uri.ToString(),
        absl::StrCat("\"input_ids\" of dtype I32 or I64, not ", std::string(storage::ToString(ids.dtype))));
  }
  if (ids.shape.size() != 2) {
    return FieldError(
        field, uri.ToString(),
        absl::StrCat("\"input_ids\" of shape [samples, tokens], not [", absl::StrJoin(ids.shape, ", "), "]"));
  }
  const int64_t tokens = ids.shape[0] * ids.shape[1];
  if (tokens < sequence_length) {
    return FieldError(field, uri.ToString(),
                      absl::StrCat("at least one window of ", sequence_length, " tokens; it has ", tokens));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<TextInput> CheckTextInput(storage::ObjectStore& store, absl::string_view uri, int64_t sequence_length,
                                         absl::string_view field) {
  ASSIGN_OR_RETURN(const storage::Uri parsed, storage::Uri::Parse(uri, field));
  const std::string text = parsed.ToString();
  const auto format = FormatOf(parsed.name());
  if (!format) return FieldError(field, text, kFormats);

  const auto info = store.Stat(parsed);
  if (absl::IsNotFound(info.status())) return FieldError(field, text, "a file that exists");
  if (!info.ok()) return InField(field, text, info.status());
  if (info->size == 0) return FieldError(field, text, "a file that is not empty");

  if (*format == Format::kTokenIds) RETURN_IF_ERROR(CheckTokenIds(store, parsed, sequence_length, field));
  if (*format == Format::kPlainText && info->size < sequence_length) {
    return FieldError(
        field, text,
        absl::StrCat("at least one window of ", sequence_length, " tokens; it has only ", info->size, " bytes"));
  }
  return TextInput{.uri = text, .token_ids = *format == Format::kTokenIds};
}

}  // namespace besa::server
