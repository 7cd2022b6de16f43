#include "storage/safetensors/safetensors.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "storage/base/error_info.h"
#include "storage/base/sha256.h"
#include "storage/base/status_macros.h"
#include "storage/base/utf8.h"
#include "storage/safetensors/header_json.h"

namespace besa::storage {
namespace {

constexpr int64_t kLengthBytes = 8;
// The limit of the format's own library.
constexpr int64_t kMaxHeader = 100'000'000;

// The file is named by its URI, which is clean; the tensor's name comes from the file and may hold anything.
absl::Status Invalid(absl::string_view file, absl::string_view tensor, absl::string_view what) {
  const std::string name = Printable(tensor);
  ErrorInfo info{.reason = "SAFETENSORS_INVALID", .metadata = {{"file", std::string(file)}}};
  if (tensor.empty()) {
    return ErrorWithInfo(absl::StatusCode::kInvalidArgument, absl::StrCat(file, ": ", what), std::move(info));
  }
  info.metadata["tensor"] = name;
  return ErrorWithInfo(absl::StatusCode::kInvalidArgument, absl::StrCat(file, ": tensor \"", name, "\": ", what),
                       std::move(info));
}

// The length of the JSON, checked before anything of that size is allocated.
absl::StatusOr<int64_t> JsonLength(absl::string_view first, int64_t file_size, absl::string_view file) {
  if (file_size < kLengthBytes || static_cast<int64_t>(first.size()) < kLengthBytes) {
    return Invalid(file, "", absl::StrCat("truncated: ", file_size, " bytes, less than the 8 of the header length"));
  }
  uint64_t length = 0;
  for (int i = kLengthBytes - 1; i >= 0; --i) length = length << 8 | static_cast<unsigned char>(first[i]);
  if (length > kMaxHeader) {
    return Invalid(file, "", absl::StrCat("not a safetensors file: a header of ", length, " bytes, more than 100 MB"));
  }
  if (static_cast<int64_t>(length) > file_size - kLengthBytes) {
    return Invalid(
        file, "",
        absl::StrCat("truncated: the header should have ", length, " bytes, but the file ends after ", file_size));
  }
  return static_cast<int64_t>(length);
}

absl::StatusOr<TensorEntry> CheckEntry(absl::string_view name, const RawTensor& raw, int64_t data_begin,
                                       int64_t file_size, absl::string_view file) {
  const auto dtype = ParseDType(raw.dtype);
  if (!dtype.ok()) return Invalid(file, name, dtype.status().message());
  const auto size = TensorSize(*dtype, raw.shape);
  if (!size.ok()) return Invalid(file, name, size.status().message());
  if (raw.begin > raw.end) {
    return Invalid(file, name, absl::StrCat("data_offsets [", raw.begin, ", ", raw.end, "] run backwards"));
  }
  if (raw.end > file_size - data_begin) {
    return Invalid(file, name,
                   absl::StrCat("its bytes end at ", raw.end, " of the data, but the file has ", file_size - data_begin,
                                " (truncated?)"));
  }
  if (raw.end - raw.begin != *size) {
    return Invalid(file, name,
                   absl::StrCat("data_offsets hold ", raw.end - raw.begin, " bytes, but ", raw.dtype, " ",
                                FormatShape(raw.shape), " takes ", *size));
  }
  return TensorEntry{.dtype = *dtype, .shape = raw.shape, .offset = data_begin + raw.begin, .size = *size};
}

// Tensors must fill the file from the header to its end, each byte once.
absl::Status CheckCoverage(const std::map<std::string, TensorEntry>& tensors, int64_t data_begin, int64_t file_size,
                           absl::string_view file) {
  std::vector<std::pair<const TensorEntry*, const std::string*>> order;
  order.reserve(tensors.size());
  for (const auto& [name, entry] : tensors) order.emplace_back(&entry, &name);
  std::ranges::sort(
      order, {}, [](const auto& item) { return std::pair(item.first->offset, item.first->offset + item.first->size); });
  int64_t covered = data_begin;
  const std::string* previous = nullptr;
  for (const auto& [entry, name] : order) {
    if (entry->offset < covered) {
      return Invalid(file, *name, absl::StrCat("overlaps tensor \"", Printable(*previous), "\""));
    }
    if (entry->offset > covered) {
      return Invalid(file, *name, absl::StrCat(entry->offset - covered, " bytes before it belong to no tensor"));
    }
    covered += entry->size;
    previous = name;
  }
  if (covered != file_size) {
    return Invalid(file, "", absl::StrCat(file_size - covered, " bytes after the last tensor"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<int64_t> ElementCount(const std::vector<int64_t>& shape) {
  int64_t count = 1;
  for (const int64_t dimension : shape) {
    if (dimension < 0) return absl::OutOfRangeError(absl::StrCat("shape ", FormatShape(shape), " is negative"));
    if (__builtin_mul_overflow(count, dimension, &count)) {
      return absl::OutOfRangeError(absl::StrCat("shape ", FormatShape(shape), " has too many elements"));
    }
  }
  return count;
}

absl::StatusOr<int64_t> TensorSize(DType dtype, const std::vector<int64_t>& shape) {
  ASSIGN_OR_RETURN(int64_t size, ElementCount(shape));
  if (__builtin_mul_overflow(size, ElementSize(dtype), &size)) {
    return absl::OutOfRangeError(absl::StrCat("shape ", FormatShape(shape), " has too many elements"));
  }
  return size;
}

std::string FormatShape(const std::vector<int64_t>& shape) {
  constexpr size_t kShown = 16;
  const size_t shown = std::min(shape.size(), kShown);
  return absl::StrCat("[", absl::StrJoin(shape.begin(), shape.begin() + static_cast<int64_t>(shown), ", "),
                      shape.size() > kShown ? ", ..." : "", "]");
}

absl::StatusOr<SafetensorsHeader> ParseSafetensorsHeader(absl::string_view bytes, int64_t file_size,
                                                         absl::string_view file) {
  ASSIGN_OR_RETURN(const int64_t length, JsonLength(bytes, file_size, file));
  const int64_t data_begin = kLengthBytes + length;
  if (static_cast<int64_t>(bytes.size()) < data_begin) {
    return Invalid(file, "", absl::StrCat("truncated: the header should have ", length, " bytes"));
  }
  bytes = bytes.substr(0, static_cast<size_t>(data_begin));
  const auto raw = ParseHeaderJson(bytes.substr(kLengthBytes));
  if (!raw.ok()) return Invalid(file, "", raw.status().message());

  SafetensorsHeader header{.metadata = raw->metadata, .sha256 = Sha256Hex(bytes)};
  for (const auto& [name, tensor] : raw->tensors) {
    ASSIGN_OR_RETURN(TensorEntry entry, CheckEntry(name, tensor, data_begin, file_size, file));
    header.tensors.emplace_hint(header.tensors.end(), name, std::move(entry));
  }
  RETURN_IF_ERROR(CheckCoverage(header.tensors, data_begin, file_size, file));
  return header;
}

absl::StatusOr<SafetensorsHeader> ReadSafetensorsHeader(ObjectStore& store, const Uri& uri) {
  ASSIGN_OR_RETURN(const ObjectInfo info, store.Stat(uri));
  std::string bytes(static_cast<size_t>(std::min(info.size, kLengthBytes)), '\0');
  RETURN_IF_ERROR(store.ReadRange(uri, 0, std::as_writable_bytes(std::span(bytes))));
  ASSIGN_OR_RETURN(const int64_t length, JsonLength(bytes, info.size, uri.ToString()));
  bytes.resize(static_cast<size_t>(kLengthBytes + length));
  RETURN_IF_ERROR(store.ReadRange(uri, kLengthBytes, std::as_writable_bytes(std::span(bytes)).subspan(kLengthBytes)));
  return ParseSafetensorsHeader(bytes, info.size, uri.ToString());
}

absl::StatusOr<HostTensor> ReadTensor(ObjectStore& store, const Uri& uri, absl::string_view name,
                                      const TensorEntry& entry) {
  HostTensor tensor{.name = std::string(name), .dtype = entry.dtype, .shape = entry.shape};
  tensor.bytes.resize(static_cast<size_t>(entry.size));
  RETURN_IF_ERROR(store.ReadRange(uri, entry.offset, tensor.bytes));
  return tensor;
}

absl::StatusOr<std::string> FormatSafetensorsHeader(const std::vector<HostTensor>& tensors,
                                                    const std::map<std::string, std::string>& metadata) {
  std::vector<std::string> members;
  if (!metadata.empty()) {
    std::vector<std::string> entries;
    for (const auto& [key, value] : metadata) {
      ASSIGN_OR_RETURN(const std::string quoted_key, QuoteJson(key));
      ASSIGN_OR_RETURN(const std::string quoted_value, QuoteJson(value));
      entries.push_back(absl::StrCat(quoted_key, ":", quoted_value));
    }
    members.push_back(absl::StrCat("\"__metadata__\":{", absl::StrJoin(entries, ","), "}"));
  }
  std::set<absl::string_view> seen = {"__metadata__"};
  int64_t offset = 0;
  for (const HostTensor& tensor : tensors) {
    ASSIGN_OR_RETURN(const std::string quoted_name, QuoteJson(tensor.name));
    if (!seen.insert(tensor.name).second) {
      return absl::InvalidArgumentError(absl::StrCat("tensor ", quoted_name, ": the name is taken"));
    }
    const auto size = TensorSize(tensor.dtype, tensor.shape);
    int64_t end = 0;
    if (!size.ok() || __builtin_add_overflow(offset, *size, &end)) {
      return absl::InvalidArgumentError(
          absl::StrCat("tensor ", quoted_name, ": shape ", FormatShape(tensor.shape), " has no valid size"));
    }
    members.push_back(absl::StrCat(quoted_name, ":{\"dtype\":\"", ToString(tensor.dtype), "\",\"shape\":[",
                                   absl::StrJoin(tensor.shape, ","), "],\"data_offsets\":[", offset, ",", end, "]}"));
    offset = end;
  }
  std::string json = absl::StrCat("{", absl::StrJoin(members, ","), "}");
  json.resize((json.size() + 7) / 8 * 8, ' ');
  if (static_cast<int64_t>(json.size()) > kMaxHeader) {
    return absl::InvalidArgumentError(absl::StrCat("a header of ", json.size(), " bytes is more than 100 MB"));
  }
  std::string header(kLengthBytes, '\0');
  for (size_t i = 0; i < header.size(); ++i) header[i] = static_cast<char>(json.size() >> (8 * i) & 0xFF);
  return header + json;
}

absl::StatusOr<WrittenFile> WriteSafetensors(ObjectStore& store, const Uri& uri, const std::vector<HostTensor>& tensors,
                                             const std::map<std::string, std::string>& metadata) {
  const auto header = FormatSafetensorsHeader(tensors, metadata);
  if (!header.ok()) return Invalid(uri.ToString(), "", header.status().message());
  // Before the first byte is written.
  for (const HostTensor& tensor : tensors) {
    ASSIGN_OR_RETURN(const int64_t size, TensorSize(tensor.dtype, tensor.shape));
    if (size != static_cast<int64_t>(tensor.bytes.size())) {
      return Invalid(uri.ToString(), tensor.name,
                     absl::StrCat(tensor.bytes.size(), " bytes, but ", ToString(tensor.dtype), " ",
                                  FormatShape(tensor.shape), " takes ", size));
    }
  }
  ASSIGN_OR_RETURN(const auto writer, store.OpenWriter(uri));
  WrittenFile file;
  Sha256 hash;
  const auto write = [&](std::span<const std::byte> bytes) {
    hash.Update(bytes);
    file.size += static_cast<int64_t>(bytes.size());
    return writer->Write(bytes);
  };
  RETURN_IF_ERROR(write(std::as_bytes(std::span(*header))));
  for (const HostTensor& tensor : tensors) RETURN_IF_ERROR(write(tensor.bytes));
  RETURN_IF_ERROR(writer->Finish());
  file.sha256 = hash.Finish();
  return file;
}

}  // namespace besa::storage
