#include "worker/text/token_text.h"

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "storage/base/error_info.h"
#include "storage/base/status_macros.h"
#include "storage/safetensors/safetensors.h"
#include "worker/text/decompress.h"
#include "worker/text/document_tokenizer.h"
#include "worker/text/text_file.h"

namespace besa::text {
namespace {

using storage::DType;

constexpr char kIdsTensor[] = "input_ids";
constexpr int64_t kMaxIdsBytes = int64_t{8} << 30;

// Widens ids of one type; what does not fit int32 becomes -1, which no vocabulary has.
template <typename T>
void WidenIds(const std::vector<std::byte>& bytes, std::vector<int32_t>& ids) {
  const size_t count = bytes.size() / sizeof(T);
  ids.resize(count);
  for (size_t i = 0; i < count; ++i) {
    T value;
    std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
    ids[i] = std::in_range<int32_t>(value) ? static_cast<int32_t>(value) : -1;
  }
}

absl::StatusOr<TokenText> ReadIds(storage::ObjectStore& store, const storage::Uri& uri, const std::string& field) {
  ASSIGN_OR_RETURN(const auto header, storage::ReadSafetensorsHeader(store, uri));
  const auto found = header.tensors.find(kIdsTensor);
  constexpr char kExpected[] = "a tensor \"input_ids\" of I32, I64 or U16 and shape [rows, length]";
  if (found == header.tensors.end()) return FieldError(field, uri.ToString(), kExpected);
  const auto& entry = found->second;
  const bool integers = entry.dtype == DType::kI32 || entry.dtype == DType::kI64 || entry.dtype == DType::kU16;
  if (!integers || entry.shape.size() != 2 || entry.shape[0] == 0 || entry.shape[1] == 0 || entry.size > kMaxIdsBytes) {
    return FieldError(field,
                      absl::StrCat(uri.ToString(), " (", std::string(storage::ToString(entry.dtype)), ", ",
                                   entry.shape.size(), " dimensions, ", entry.size, " bytes)"),
                      kExpected);
  }
  std::vector<std::byte> bytes(static_cast<size_t>(entry.size));
  RETURN_IF_ERROR(store.ReadRange(uri, entry.offset, bytes));
  TokenText text;
  text.row_length = entry.shape[1];
  if (entry.dtype == DType::kI32) WidenIds<int32_t>(bytes, text.ids);
  if (entry.dtype == DType::kI64) WidenIds<int64_t>(bytes, text.ids);
  if (entry.dtype == DType::kU16) WidenIds<uint16_t>(bytes, text.ids);
  return text;
}

absl::StatusOr<TokenText> ReadText(storage::ObjectStore& store, const storage::ObjectInfo& object, FileType type,
                                   const TextRequest& request, const Tokenizer& tokenizer) {
  const std::string file = object.uri.ToString();
  const auto source = Decompress(OpenObject(store, object, request.progress), type.compression, file);
  TokenText text;
  DocumentTokenizer out(tokenizer, text.ids);
  if (type.format == Format::kJsonLines) {
    RETURN_IF_ERROR(ReadJsonLines(*source, file, request.document_separator, out));
  } else {
    RETURN_IF_ERROR(ReadPlainText(*source, file, out));
  }
  return text;
}

absl::Status CheckVocabulary(const TokenText& text, const TextRequest& request) {
  for (size_t i = 0; i < text.ids.size(); ++i) {
    if (text.ids[i] < 0 || text.ids[i] >= request.vocab_size) {
      return FieldError(request.field, absl::StrCat(request.uri, " (token ", i, " has id ", text.ids[i], ")"),
                        absl::StrCat("ids from 0 to ", request.vocab_size - 1, ", the model's vocabulary"));
    }
  }
  return absl::OkStatus();
}

// Names the field in what went wrong with the content of its file.
absl::Status NameField(const absl::Status& status, const TextRequest& request) {
  if (status.code() == absl::StatusCode::kNotFound) {
    return FieldError(request.field, request.uri, "a file that exists");
  }
  if (status.code() != absl::StatusCode::kInvalidArgument) return status;
  ErrorInfo info = GetErrorInfo(status).value_or(ErrorInfo{"FIELD_INVALID", {}});
  if (!info.metadata.try_emplace("field", request.field).second) return status;
  info.metadata.emplace("value", request.uri);
  return ErrorWithInfo(status.code(), absl::StrCat(request.field, ": ", status.message()), std::move(info));
}

absl::StatusOr<TokenText> ReadFile(storage::ObjectStore& store, const TextRequest& request, FileType type,
                                   const Tokenizer* tokenizer) {
  ASSIGN_OR_RETURN(const auto uri, storage::Uri::Parse(request.uri, request.field));
  ASSIGN_OR_RETURN(const auto object, store.Stat(uri));
  if (type.format == Format::kTokenIds) return ReadIds(store, uri, request.field);
  if (tokenizer == nullptr) return absl::InternalError(absl::StrCat("no tokenizer for ", request.uri));
  return ReadText(store, object, type, request, *tokenizer);
}

}  // namespace

bool NeedsTokenizer(absl::string_view uri) {
  const auto type = FileTypeOf(uri);
  return type && type->format != Format::kTokenIds;
}

absl::StatusOr<TokenText> ReadTokenText(storage::ObjectStore& store, const TextRequest& request,
                                        const Tokenizer* tokenizer) {
  const auto type = FileTypeOf(request.uri);
  if (!type) {
    return FieldError(request.field, request.uri,
                      "a file ending in .txt or .jsonl, plain or .gz, .xz, .zst, or in .safetensors");
  }
  auto text = ReadFile(store, request, *type, tokenizer);
  if (!text.ok()) return NameField(text.status(), request);
  RETURN_IF_ERROR(CheckVocabulary(*text, request));
  return text;
}

}  // namespace besa::text
