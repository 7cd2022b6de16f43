// A Hugging Face checkpoint folder: config.json, one model.safetensors or an index with shards, and the files beside.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/checkpoint/model_config.h"
#include "storage/object/object_store.h"
#include "storage/safetensors/safetensors.h"

namespace besa::storage {

// A tensor and the file that holds it.
struct TensorLocation {
  Uri file;
  TensorEntry entry;
};

// Where to get a tensor by its name in the checkpoint. Thread-safe.
class TensorSource {
 public:
  virtual ~TensorSource() = default;
  // NOT_FOUND if there is none of that name.
  virtual absl::StatusOr<TensorLocation> Find(absl::string_view name) const = 0;
  // Reads one tensor, large ones by several ranges at once.
  virtual absl::StatusOr<HostTensor> Read(absl::string_view name) const = 0;
};

// What a checkpoint holds, read from its headers alone. Immutable, thread-safe; `store` must outlive it.
class Checkpoint final : public TensorSource {
 public:
  // Reads config.json, the index and every header, and checks that all tensors the architecture needs are there with
  // the shapes that the config implies and a floating dtype. Errors name file, tensor or field. NOT_FOUND if the folder
  // holds no checkpoint.
  static absl::StatusOr<Checkpoint> Open(ObjectStore& store, const Uri& folder);

  const Uri& folder() const { return folder_; }
  const ModelConfig& config() const { return config_; }
  // Weight files in the order of their names, with their headers.
  const std::map<std::string, SafetensorsHeader>& files() const { return files_; }

  absl::StatusOr<TensorLocation> Find(absl::string_view name) const override;
  absl::StatusOr<HostTensor> Read(absl::string_view name) const override;

  // Names of the tensors of a block, sorted; of all tensors outside the blocks, sorted.
  std::vector<std::string> BlockTensors(int64_t block) const;
  std::vector<std::string> OtherTensors() const;

  // Files that belong beside the weights and are copied as they are: config.json, tokenizer, generation config, chat
  // template, licence, readme; never pickles, code, or weights in any format.
  const std::vector<ObjectInfo>& companions() const { return companions_; }

  int64_t parameters() const;
  int64_t prunable_parameters() const;
  int64_t bytes() const;

 private:
  Checkpoint(ObjectStore& store, Uri folder) : store_(&store), folder_(std::move(folder)) {}

  ObjectStore* store_;
  Uri folder_;
  ModelConfig config_;
  std::map<std::string, SafetensorsHeader> files_;
  std::map<std::string, std::string> file_of_tensor_;
  std::vector<ObjectInfo> companions_;
};

// A source whose tensors are replaced by those of some safetensors files (committed blocks), where they have them.
class OverlaySource final : public TensorSource {
 public:
  // `base` and `store` must outlive it.
  static absl::StatusOr<OverlaySource> Open(ObjectStore& store, const TensorSource& base,
                                            const std::vector<Uri>& files);

  absl::StatusOr<TensorLocation> Find(absl::string_view name) const override;
  absl::StatusOr<HostTensor> Read(absl::string_view name) const override;

 private:
  OverlaySource(ObjectStore& store, const TensorSource& base) : store_(&store), base_(&base) {}

  ObjectStore* store_;
  const TensorSource* base_;
  std::map<std::string, TensorLocation> replaced_;
};

}  // namespace besa::storage
