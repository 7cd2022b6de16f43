#include "server/validation/text_input.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
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

constexpr char kFormats[] =
    "a .txt or .jsonl file, plain or .gz, .xz, .zst, a .parquet file, a .safetensors file of token ids, or a folder of "
    "such files";
// The stored spec names each.
constexpr size_t kMostFiles = 1000;

enum class Format { kPlainText, kCompressedText, kTokenIds };

std::optional<Format> FormatOf(absl::string_view name) {
  if (absl::EndsWith(name, ".safetensors")) return Format::kTokenIds;
  if (absl::EndsWith(name, ".parquet")) return Format::kCompressedText;
  const bool compressed =
      absl::ConsumeSuffix(&name, ".gz") || absl::ConsumeSuffix(&name, ".xz") || absl::ConsumeSuffix(&name, ".zst");
  if (!absl::EndsWith(name, ".txt") && !absl::EndsWith(name, ".jsonl")) return std::nullopt;
  return compressed ? Format::kCompressedText : Format::kPlainText;
}

// The number of ids.
absl::StatusOr<int64_t> CheckTokenIds(storage::ObjectStore& store, const storage::Uri& uri, absl::string_view field) {
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
  return ids.shape[0] * ids.shape[1];
}

struct FoundFile {
  storage::ObjectInfo info;
  Format format;
};

// The file at the address, or the files of the folder that it is.
absl::StatusOr<std::vector<FoundFile>> FindFiles(storage::ObjectStore& store, const storage::Uri& uri,
                                                 absl::string_view field) {
  const std::string text = uri.ToString();
  const auto format = FormatOf(uri.name());
  auto info = store.Stat(uri);
  if (info.ok()) {
    if (!format) return FieldError(field, text, kFormats);
    return std::vector<FoundFile>{{*std::move(info), *format}};
  }
  if (!absl::IsNotFound(info.status())) return InField(field, text, info.status());
  const auto listed = store.List(uri);
  if (!listed.ok()) return InField(field, text, listed.status());
  if (listed->empty()) return FieldError(field, text, format ? "a file that exists" : kFormats);
  std::vector<FoundFile> files;
  for (const storage::ObjectInfo& file : *listed) {
    if (const auto known = FormatOf(file.uri.name())) files.push_back({file, *known});
  }
  if (files.empty()) return FieldError(field, text, kFormats);
  return files;
}

// What the files of a text come to.
struct Extent {
  int64_t tokens = 0;
  int64_t bytes = 0;
  int texts = 0;
  int compressed = 0;
};

absl::Status AddFile(storage::ObjectStore& store, const FoundFile& file, absl::string_view field, Extent& extent) {
  const std::string text = file.info.uri.ToString();
  if (file.info.size == 0) return FieldError(field, text, "a file that is not empty");
  extent.bytes += file.info.size;
  if (file.format != Format::kTokenIds) {
    ++extent.texts;
    extent.compressed += file.format == Format::kCompressedText ? 1 : 0;
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const int64_t tokens, CheckTokenIds(store, file.info.uri, field));
  extent.tokens += tokens;
  return absl::OkStatus();
}

absl::Status CheckExtent(const Extent& extent, absl::string_view files, int64_t sequence_length,
                         absl::string_view field) {
  if (extent.texts > 0 && extent.tokens > 0) {
    return FieldError(field, files, "either texts or token ids (.safetensors), not both");
  }
  const std::string need = absl::StrCat("at least one window of ", sequence_length, " tokens; ");
  if (extent.texts == 0 && extent.tokens < sequence_length) {
    return FieldError(field, files, absl::StrCat(need, "it has ", extent.tokens));
  }
  if (extent.texts > 0 && extent.compressed == 0 && extent.bytes < sequence_length) {
    return FieldError(field, files, absl::StrCat(need, "it has only ", extent.bytes, " bytes"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<TextInput> CheckTextInput(storage::ObjectStore& store, const Uris& uris, int64_t sequence_length,
                                         absl::string_view field) {
  TextInput input;
  Extent extent;
  for (const std::string& uri : uris) {
    ASSIGN_OR_RETURN(const storage::Uri parsed, storage::Uri::Parse(uri, field));
    ASSIGN_OR_RETURN(const std::vector<FoundFile> files, FindFiles(store, parsed, field));
    if (input.uris.size() + files.size() > kMostFiles) {
      return FieldError(field,
                        absl::StrCat(parsed.ToString(), " (", input.uris.size() + files.size(), " files so far)"),
                        absl::StrCat("at most ", kMostFiles, " files"));
    }
    for (const FoundFile& file : files) {
      RETURN_IF_ERROR(AddFile(store, file, field, extent));
      input.uris.push_back(file.info.uri.ToString());
    }
  }
  RETURN_IF_ERROR(CheckExtent(extent, absl::StrJoin(uris, ", "), sequence_length, field));
  input.token_ids = extent.texts == 0;
  return input;
}

std::string TextNameOf(absl::string_view uri) {
  absl::ConsumeSuffix(&uri, "/");
  const size_t slash = uri.rfind('/');
  if (slash != absl::string_view::npos) uri.remove_prefix(slash + 1);
  for (const char* ending : {".gz", ".xz", ".zst"}) absl::ConsumeSuffix(&uri, ending);
  for (const char* ending : {".txt", ".jsonl", ".parquet", ".safetensors"}) absl::ConsumeSuffix(&uri, ending);
  std::string name(uri);
  for (char& c : name) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '.' && c != '-' && c != '_') c = '-';
  }
  return name.empty() ? "text" : name;
}

}  // namespace besa::server
