// A checkpoint of random weights that exists in memory only.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "storage/checkpoint/checkpoint.h"

namespace besa::bench {

// bfloat16, linears and embeddings roughly normal with deviation 0.02, norms 1; the same for the same shape everywhere.
// All blocks share their weights, so that memory holds one block whatever their number. Immutable, thread-safe.
class SyntheticSource final : public storage::TensorSource {
 public:
  explicit SyntheticSource(const storage::ModelConfig& config);

  // UNIMPLEMENTED: there is no file.
  absl::StatusOr<storage::TensorLocation> Find(absl::string_view name) const override;
  absl::StatusOr<storage::HostTensor> Read(absl::string_view name) const override;
  absl::Status ReadTo(absl::string_view name, const Place& place) const override;

 private:
  absl::StatusOr<const storage::HostTensor*> Tensor(absl::string_view name) const;

  // By name; those of blocks by their name within block 0.
  std::map<std::string, storage::HostTensor, std::less<>> tensors_;
};

}  // namespace besa::bench
