#include "worker/text/token_text.h"

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "storage/base/error_info.h"
#include "storage/base/status_macros.h"
#include "storage/safetensors/safetensors.h"
#include "worker/text/decompress.h"
#include "worker/text/document_tokenizer.h"
#include "worker/text/parquet_file.h"
#include "worker/text/text_file.h"

namespace besa::text {
namespace {

using storage::DType;

constexpr char kIdsTensor[] = "input_ids";
constexpr int64_t kMaxIdsBytes = int64_t{8} << 30;
constexpr size_t kMaxTokens = size_t{1} << 31;

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

// One of the files, as the whole request sees it.
struct File {
  storage::ObjectInfo object;
  FileType type;
  bool last = false;
  // Of this file's bytes.
  ReadProgress progress;
};

absl::Status ReadDocuments(storage::ObjectStore& store, const File& file, std::optional<int32_t> separator,
                           DocumentTokenizer& out) {
  if (file.type.format == Format::kParquet) return ReadParquet(store, file.object, file.progress, separator, out);
  const std::string name = file.object.uri.ToString();
  const auto source = Decompress(OpenObject(store, file.object, file.progress), file.type.compression, name);
  if (file.type.format == Format::kJsonLines) return ReadJsonLines(*source, name, separator, out);
  return ReadPlainText(*source, name, file.last ? std::nullopt : separator, out);
}

absl::Status ReadText(storage::ObjectStore& store, const File& file, const TextRequest& request,
                      const Tokenizer& tokenizer, TokenText& text) {
  DocumentTokenizer out(tokenizer, text.ids, request.threads);
  RETURN_IF_ERROR(ReadDocuments(store, file, request.document_separator, out));
  return out.Finish();
}

absl::Status CheckVocabulary(const TokenText& text, size_t begin, const std::string& uri, const TextRequest& request) {
  for (size_t i = begin; i < text.ids.size(); ++i) {
    if (text.ids[i] < 0 || text.ids[i] >= request.vocab_size) {
      return FieldError(request.field, absl::StrCat(uri, " (token ", i - begin, " has id ", text.ids[i], ")"),
                        absl::StrCat("ids from 0 to ", request.vocab_size - 1, ", the model's vocabulary"));
    }
  }
  return absl::OkStatus();
}

// Names the field in what went wrong with the content of its file.
absl::Status NameField(const absl::Status& status, const std::string& uri, const TextRequest& request) {
  if (status.code() == absl::StatusCode::kNotFound) return FieldError(request.field, uri, "a file that exists");
  if (status.code() != absl::StatusCode::kInvalidArgument) return status;
  ErrorInfo info = GetErrorInfo(status).value_or(ErrorInfo{"FIELD_INVALID", {}});
  if (!info.metadata.try_emplace("field", request.field).second) return status;
  info.metadata.emplace("value", uri);
  return ErrorWithInfo(status.code(), absl::StrCat(request.field, ": ", status.message()), std::move(info));
}

absl::StatusOr<File> OpenFile(storage::ObjectStore& store, const std::string& uri, const std::string& field) {
  const auto type = FileTypeOf(uri);
  if (!type) {
    return FieldError(field, uri,
                      "a file ending in .txt or .jsonl, plain or .gz, .xz, .zst, or in .parquet or .safetensors");
  }
  ASSIGN_OR_RETURN(const auto parsed, storage::Uri::Parse(uri, field));
  ASSIGN_OR_RETURN(auto object, store.Stat(parsed));
  return File{.object = std::move(object), .type = *type};
}

// Appends a file's ids to `text`.
absl::Status AppendFile(storage::ObjectStore& store, const File& file, const TextRequest& request,
                        const Tokenizer* tokenizer, TokenText& text) {
  const std::string uri = file.object.uri.ToString();
  const size_t begin = text.ids.size();
  const bool first = begin == 0 && !text.row_length;
  if (file.type.format == Format::kTokenIds) {
    ASSIGN_OR_RETURN(TokenText ids, ReadIds(store, file.object.uri, request.field));
    if (!first && ids.row_length != text.row_length) {
      return FieldError(request.field, absl::StrCat(uri, " (rows of ", *ids.row_length, " ids)"),
                        text.row_length ? absl::StrCat("rows of ", *text.row_length, " ids, as in the files before")
                                        : "text, as in the files before");
    }
    text.row_length = ids.row_length;
    text.ids.insert(text.ids.end(), ids.ids.begin(), ids.ids.end());
  } else if (text.row_length) {
    return FieldError(request.field, absl::StrCat(uri, " (text)"), "token ids, as in the files before");
  } else if (tokenizer == nullptr) {
    return absl::InternalError(absl::StrCat("no tokenizer for ", uri));
  } else {
    RETURN_IF_ERROR(ReadText(store, file, request, *tokenizer, text));
  }
  if (text.ids.size() > kMaxTokens) {
    return FieldError(request.field, absl::StrCat(uri, " and the files before (", text.ids.size(), " tokens)"),
                      absl::StrCat("at most ", kMaxTokens, " tokens"));
  }
  return CheckVocabulary(text, begin, uri, request);
}

}  // namespace

bool NeedsTokenizer(absl::string_view uri) {
  const auto type = FileTypeOf(uri);
  return type && type->format != Format::kTokenIds;
}

absl::StatusOr<TokenText> ReadTokenText(storage::ObjectStore& store, const TextRequest& request,
                                        const Tokenizer* tokenizer) {
  std::vector<File> files;
  int64_t total = 0;
  for (const std::string& uri : request.uris) {
    auto file = OpenFile(store, uri, request.field);
    if (!file.ok()) return NameField(file.status(), uri, request);
    total += file->object.size;
    files.push_back(*std::move(file));
  }
  TokenText text;
  int64_t before = 0;
  for (size_t i = 0; i < files.size(); ++i) {
    File& file = files[i];
    file.last = i + 1 == files.size();
    if (request.progress) {
      file.progress = [&request, before, total](int64_t done, int64_t) {
        return request.progress(before + done, total);
      };
    }
    const absl::Status status = AppendFile(store, file, request, tokenizer, text);
    if (!status.ok()) return NameField(status, request.uris[i], request);
    before += file.object.size;
  }
  return text;
}

std::string DescribeFiles(const std::vector<std::string>& uris) {
  if (uris.empty()) return "no file";
  if (uris.size() == 1) return uris.front();
  return absl::StrCat(uris.front(), " and ", uris.size() - 1, " more");
}

}  // namespace besa::text
