#include "storage/checkpoint/checkpoint.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "storage/base/error_info.h"
#include "storage/base/status_macros.h"
#include "storage/base/utf8.h"
#include "storage/checkpoint/checkpoint_error.h"
#include "storage/checkpoint/companions.h"
#include "storage/checkpoint/index_file.h"

namespace besa::storage {
namespace {

constexpr int64_t kMaxConfig = 4 << 20;
constexpr int64_t kMaxIndex = 256 << 20;

// The same error with the file it is about in front.
absl::Status InFile(const absl::Status& status, const Uri& file) {
  absl::Status named(status.code(), absl::StrCat(file.ToString(), ": ", status.message()));
  status.ForEachPayload([&](absl::string_view url, const absl::Cord& payload) { named.SetPayload(url, payload); });
  return named;
}

bool IsFloating(DType dtype) {
  return dtype == DType::kF16 || dtype == DType::kBF16 || dtype == DType::kF32 || dtype == DType::kF64;
}

// The index, or the map of a single file, in which case it is empty.
absl::StatusOr<WeightMap> ReadIndex(ObjectStore& store, const Uri& folder) {
  const absl::Status single = store.Stat(folder.Join(kSingleFileName)).status();
  if (single.ok()) return WeightMap();
  if (!absl::IsNotFound(single)) return single;
  const Uri uri = folder.Join(kIndexFileName);
  const auto text = ReadAll(store, uri, kMaxIndex);
  if (absl::IsNotFound(text.status())) {
    return absl::NotFoundError(absl::StrCat(folder.ToString(), ": no checkpoint: neither ", kSingleFileName, " nor ",
                                            kIndexFileName, " is there"));
  }
  if (!text.ok()) return text.status();
  auto weight_map = ParseIndexFile(*text);
  if (!weight_map.ok()) return InFile(weight_map.status(), uri);
  return weight_map;
}

absl::StatusOr<std::map<std::string, SafetensorsHeader>> ReadHeaders(ObjectStore& store, const Uri& folder,
                                                                     const WeightMap& weight_map) {
  std::set<std::string> names;
  for (const auto& [tensor, file] : weight_map) names.insert(file);
  if (weight_map.empty()) names.insert(kSingleFileName);
  std::map<std::string, SafetensorsHeader> files;
  for (const std::string& name : names) {
    ASSIGN_OR_RETURN(const Uri uri, folder.JoinUntrusted(name, "weight_map"));
    auto header = ReadSafetensorsHeader(store, uri);
    if (absl::IsNotFound(header.status())) {
      return ErrorWithInfo(absl::StatusCode::kInvalidArgument,
                           absl::StrCat(uri.ToString(), ": not found, but ", kIndexFileName, " names it"),
                           {.reason = "CHECKPOINT_INVALID", .metadata = {{"file", uri.ToString()}}});
    }
    if (!header.ok()) return header.status();
    files.emplace(name, *std::move(header));
  }
  return files;
}

// Which file holds which tensor, by the headers, checked against the index.
absl::StatusOr<std::map<std::string, std::string>> LocateTensors(
    const Uri& folder, const WeightMap& weight_map, const std::map<std::string, SafetensorsHeader>& files) {
  std::map<std::string, std::string> file_of_tensor;
  for (const auto& [file, header] : files) {
    for (const auto& [tensor, entry] : header.tensors) {
      const auto [found, inserted] = file_of_tensor.emplace(tensor, file);
      if (!inserted) return TensorError(folder.Join(file), tensor, absl::StrCat("is in ", found->second, " too"));
    }
  }
  for (const auto& [tensor, file] : weight_map) {
    const auto found = file_of_tensor.find(tensor);
    if (found == file_of_tensor.end() || found->second != file) {
      return TensorError(folder.Join(file), tensor, absl::StrCat("not in the file, but ", kIndexFileName, " says so"));
    }
  }
  return file_of_tensor;
}

absl::Status CheckTensors(const Checkpoint& checkpoint, const std::map<std::string, std::vector<int64_t>>& needed) {
  for (const auto& [name, shape] : needed) {
    const auto location = checkpoint.Find(name);
    if (!location.ok()) {
      const bool head = name == "lm_head.weight";
      return TensorError(checkpoint.folder(), name,
                         head ? "missing, and config.json does not say tie_word_embeddings" : "missing");
    }
    const TensorEntry& entry = location->entry;
    if (entry.shape != shape) {
      return TensorError(
          location->file, name,
          absl::StrCat("shape ", FormatShape(entry.shape), ", but config.json implies ", FormatShape(shape)));
    }
    if (!IsFloating(entry.dtype)) {
      return TensorError(location->file, name,
                         absl::StrCat("dtype ", ToString(entry.dtype), "; supported are F16, BF16, F32 and F64"));
    }
  }
  return absl::OkStatus();
}

int64_t Elements(const std::map<std::string, std::vector<int64_t>>& shapes) {
  int64_t sum = 0;
  for (const auto& [name, shape] : shapes) {
    int64_t elements = 1;
    for (const int64_t dimension : shape) elements *= dimension;
    sum += elements;
  }
  return sum;
}

// What `place` gives for the tensor. Another size is a mistake of whoever gave it.
absl::StatusOr<std::span<std::byte>> PlaceOf(const TensorEntry& entry, const TensorSource::Place& place) {
  ASSIGN_OR_RETURN(const std::span<std::byte> out, place(entry));
  if (static_cast<int64_t>(out.size()) == entry.size) return out;
  return absl::InternalError(absl::StrCat("place for ", out.size(), " bytes of a tensor of ", entry.size));
}

}  // namespace

absl::Status TensorSource::ReadTo(absl::string_view name, const Place& place) const {
  ASSIGN_OR_RETURN(const HostTensor tensor, Read(name));
  const TensorEntry entry = {
      .dtype = tensor.dtype, .shape = tensor.shape, .size = static_cast<int64_t>(tensor.bytes.size())};
  ASSIGN_OR_RETURN(const std::span<std::byte> out, PlaceOf(entry, place));
  std::ranges::copy(tensor.bytes, out.begin());
  return absl::OkStatus();
}

absl::Status ReadTensorTo(ObjectStore& store, const TensorLocation& location, const TensorSource::Place& place) {
  ASSIGN_OR_RETURN(const std::span<std::byte> out, PlaceOf(location.entry, place));
  return store.ReadRange(location.file, location.entry.offset, out);
}

absl::StatusOr<Checkpoint> Checkpoint::Open(ObjectStore& store, const Uri& folder) {
  Checkpoint checkpoint(store, folder);
  const Uri config_uri = folder.Join("config.json");
  const auto text = ReadAll(store, config_uri, kMaxConfig);
  if (absl::IsNotFound(text.status())) {
    return absl::NotFoundError(absl::StrCat(folder.ToString(), ": no checkpoint: config.json is not there"));
  }
  if (!text.ok()) return text.status();
  auto config = ParseModelConfig(*text);
  if (!config.ok()) return InFile(config.status(), config_uri);
  checkpoint.config_ = *std::move(config);

  ASSIGN_OR_RETURN(const WeightMap weight_map, ReadIndex(store, folder));
  ASSIGN_OR_RETURN(checkpoint.files_, ReadHeaders(store, folder, weight_map));
  ASSIGN_OR_RETURN(checkpoint.file_of_tensor_, LocateTensors(folder, weight_map, checkpoint.files_));
  for (int64_t block = 0; block < checkpoint.config_.num_hidden_layers; ++block) {
    RETURN_IF_ERROR(CheckTensors(checkpoint, BlockTensorShapes(checkpoint.config_, block)));
  }
  RETURN_IF_ERROR(CheckTensors(checkpoint, OtherTensorShapes(checkpoint.config_)));

  ASSIGN_OR_RETURN(const std::vector<ObjectInfo> objects, store.List(folder));
  const size_t prefix = folder.Join("x").path().size() - 1;
  for (const ObjectInfo& object : objects) {
    if (IsCompanion(absl::string_view(object.uri.path()).substr(prefix))) checkpoint.companions_.push_back(object);
  }
  return checkpoint;
}

absl::StatusOr<TensorLocation> Checkpoint::Find(absl::string_view name) const {
  const auto file = file_of_tensor_.find(std::string(name));
  if (file == file_of_tensor_.end()) {
    return absl::NotFoundError(absl::StrCat(folder_.ToString(), ": no tensor \"", Printable(name), "\""));
  }
  return TensorLocation{.file = folder_.Join(file->second), .entry = files_.at(file->second).tensors.at(file->first)};
}

absl::StatusOr<HostTensor> Checkpoint::Read(absl::string_view name) const {
  ASSIGN_OR_RETURN(const TensorLocation location, Find(name));
  return ReadTensor(*store_, location.file, name, location.entry);
}

absl::Status Checkpoint::ReadTo(absl::string_view name, const Place& place) const {
  ASSIGN_OR_RETURN(const TensorLocation location, Find(name));
  return ReadTensorTo(*store_, location, place);
}

std::vector<std::string> Checkpoint::BlockTensors(int64_t block) const {
  std::vector<std::string> names;
  for (const auto& [name, shape] : BlockTensorShapes(config_, block)) names.push_back(name);
  return names;
}

std::vector<std::string> Checkpoint::OtherTensors() const {
  std::set<std::string> in_blocks;
  for (int64_t block = 0; block < config_.num_hidden_layers; ++block) {
    for (const auto& [name, shape] : BlockTensorShapes(config_, block)) in_blocks.insert(name);
  }
  std::vector<std::string> names;
  for (const auto& [name, file] : file_of_tensor_) {
    if (!in_blocks.contains(name)) names.push_back(name);
  }
  return names;
}

int64_t Checkpoint::parameters() const {
  return Elements(OtherTensorShapes(config_)) + config_.num_hidden_layers * Elements(BlockTensorShapes(config_, 0));
}

int64_t Checkpoint::prunable_parameters() const {
  int64_t sum = 0;
  for (const LinearSpec& linear : BlockLinears(config_)) sum += linear.rows * linear.cols;
  return sum * config_.num_hidden_layers;
}

int64_t Checkpoint::bytes() const {
  int64_t sum = 0;
  for (const auto& [file, header] : files_) {
    for (const auto& [name, entry] : header.tensors) sum += entry.size;
  }
  return sum;
}

}  // namespace besa::storage
