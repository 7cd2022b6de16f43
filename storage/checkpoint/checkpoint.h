// A Hugging Face checkpoint folder: config.json, one model.safetensors or an index with shards, and the files beside.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/checkpoint/model_config.h"
#include "storage/object/object_store.h"
#include "storage/safetensors/safetensors.h"

namespace besa::storage {

// Names of the tensors that the architecture needs in a block, with their shapes.
std::map<std::string, std::vector<int64_t>> BlockTensorShapes(const ModelConfig& config, int64_t block);

// Likewise outside the blocks: embeddings, final norm and, unless tied, the head.
std::map<std::string, std::vector<int64_t>> OtherTensorShapes(const ModelConfig& config);

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

  // Gives memory for a tensor of this type, shape and size, exactly as many bytes, once they are known. (Where a source
  // has no files, the entry's offset means nothing.)
  using Place = std::function<absl::StatusOr<std::span<std::byte>>(const TensorEntry&)>;
  // Reads one tensor likewise, to where `place` says; its error ends the reading.
  virtual absl::Status ReadTo(absl::string_view name, const Place& place) const;
};

// Reads the tensor that lies there to where `place` says.
absl::Status ReadTensorTo(ObjectStore& store, const TensorLocation& location, const TensorSource::Place& place);

// What a checkpoint holds, read from its headers alone. Immutable, thread-safe; `store` must outlive it.
class Checkpoint final : public TensorSource {
 public:
  // Reads config.json, the index and every header, and checks that all tensors the architecture needs are there with
  // the shapes that the config implies and a floating dtype (F16, BF16, F32 or F64; they may differ). Where both lie in
  // the folder, model.safetensors counts and the index does not, as in transformers. Errors name file, tensor or field.
  // NOT_FOUND if the folder holds no checkpoint, INVALID_ARGUMENT if it holds a broken one.
  static absl::StatusOr<Checkpoint> Open(ObjectStore& store, const Uri& folder);

  const Uri& folder() const { return folder_; }
  const ModelConfig& config() const { return config_; }
  // Weight files in the order of their names, with their headers.
  const std::map<std::string, SafetensorsHeader>& files() const { return files_; }

  absl::StatusOr<TensorLocation> Find(absl::string_view name) const override;
  absl::StatusOr<HostTensor> Read(absl::string_view name) const override;
  absl::Status ReadTo(absl::string_view name, const Place& place) const override;

  // Names of the tensors that a block needs, sorted; of all others in the files, sorted. Tensors that the architecture
  // does not know (an old rotary inv_freq) are among the others, whatever their names.
  std::vector<std::string> BlockTensors(int64_t block) const;
  std::vector<std::string> OtherTensors() const;

  // Files that belong beside the weights and are copied as they are: config.json, tokenizer, generation config, chat
  // template, licence, readme; never pickles, code, or weights in any format.
  const std::vector<ObjectInfo>& companions() const { return companions_; }

  // Elements of all tensors that the architecture needs; tied embeddings count once.
  int64_t parameters() const;
  // Elements of the linears of all blocks.
  int64_t prunable_parameters() const;
  // Bytes of all tensors in the files.
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
  // `base` and `store` must outlive it. INVALID_ARGUMENT for a tensor that two of the files hold or whose shape differs
  // from the one it replaces.
  static absl::StatusOr<OverlaySource> Open(ObjectStore& store, const TensorSource& base,
                                            const std::vector<Uri>& files);

  absl::StatusOr<TensorLocation> Find(absl::string_view name) const override;
  absl::StatusOr<HostTensor> Read(absl::string_view name) const override;
  absl::Status ReadTo(absl::string_view name, const Place& place) const override;

 private:
  OverlaySource(ObjectStore& store, const TensorSource& base) : store_(&store), base_(&base) {}

  ObjectStore* store_;
  const TensorSource* base_;
  std::map<std::string, TensorLocation> replaced_;
};

}  // namespace besa::storage
