#include "worker/text/text_file.h"

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "nlohmann/json.hpp"
#include "storage/base/status_macros.h"

namespace besa::text {
namespace {

constexpr size_t kReadBytes = size_t{1} << 20;
constexpr size_t kMaxLineBytes = size_t{64} << 20;
// Far more than calibration needs; bounds what a few compressed bytes can blow up to.
constexpr int64_t kMaxTextBytes = int64_t{8} << 30;

// Calls `take` with each piece of the stream.
template <typename Take>
absl::Status ForEachPiece(ByteSource& source, absl::string_view file, const Take& take) {
  std::vector<std::byte> buffer(kReadBytes);
  int64_t total = 0;
  while (true) {
    ASSIGN_OR_RETURN(const size_t size, source.Read(buffer));
    if (size == 0) return absl::OkStatus();
    total += static_cast<int64_t>(size);
    if (total > kMaxTextBytes) {
      return absl::InvalidArgumentError(absl::StrCat(file, " has more than ", kMaxTextBytes, " bytes of text"));
    }
    RETURN_IF_ERROR(take(absl::string_view(reinterpret_cast<const char*>(buffer.data()), size)));
  }
}

absl::Status ReadLine(absl::string_view line, absl::string_view where, std::optional<int32_t> separator,
                      DocumentTokenizer& out) {
  if (absl::StripAsciiWhitespace(line).empty()) return absl::OkStatus();
  const auto object = nlohmann::json::parse(line.begin(), line.end(), nullptr, /*allow_exceptions=*/false);
  if (!object.is_object() || !object.contains("text") || !object["text"].is_string()) {
    return absl::InvalidArgumentError(absl::StrCat(where, " is not a JSON object with a string field \"text\""));
  }
  RETURN_IF_ERROR(out.Append(object["text"].get_ref<const std::string&>()));
  return out.EndDocument(separator);
}

}  // namespace

std::optional<FileType> FileTypeOf(absl::string_view name) {
  if (absl::EndsWith(name, ".safetensors")) return FileType{Format::kTokenIds, Compression::kNone};
  if (absl::EndsWith(name, ".parquet")) return FileType{Format::kParquet, Compression::kNone};
  FileType type;
  if (absl::ConsumeSuffix(&name, ".gz")) {
    type.compression = Compression::kGzip;
  } else if (absl::ConsumeSuffix(&name, ".xz")) {
    type.compression = Compression::kXz;
  } else if (absl::ConsumeSuffix(&name, ".zst")) {
    type.compression = Compression::kZstd;
  }
  if (absl::EndsWith(name, ".txt")) {
    type.format = Format::kText;
  } else if (absl::EndsWith(name, ".jsonl")) {
    type.format = Format::kJsonLines;
  } else {
    return std::nullopt;
  }
  return type;
}

absl::Status ReadPlainText(ByteSource& source, absl::string_view file, std::optional<int32_t> separator,
                           DocumentTokenizer& out) {
  RETURN_IF_ERROR(ForEachPiece(source, file, [&](absl::string_view piece) { return out.Append(piece); }));
  return out.EndDocument(separator);
}

absl::Status ReadJsonLines(ByteSource& source, absl::string_view file, std::optional<int32_t> separator,
                           DocumentTokenizer& out) {
  std::string line;
  int64_t number = 1;
  const auto finish_line = [&] {
    absl::Status status = ReadLine(line, absl::StrCat(file, " line ", number), separator, out);
    line.clear();
    ++number;
    return status;
  };
  const auto take = [&](absl::string_view piece) -> absl::Status {
    while (true) {
      const size_t end = piece.find('\n');
      const absl::string_view part = piece.substr(0, end);
      if (line.size() + part.size() > kMaxLineBytes) {
        return absl::InvalidArgumentError(
            absl::StrCat(file, " line ", number, " has more than ", kMaxLineBytes, " bytes"));
      }
      line.append(part.data(), part.size());
      if (end == absl::string_view::npos) return absl::OkStatus();
      RETURN_IF_ERROR(finish_line());
      piece.remove_prefix(end + 1);
    }
  };
  RETURN_IF_ERROR(ForEachPiece(source, file, take));
  return finish_line();
}

}  // namespace besa::text
