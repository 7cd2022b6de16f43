// The safetensors format: an 8-byte little-endian header length, a JSON header, the tensors' bytes.
// Source: the format description of the safetensors project.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "storage/base/host_bytes.h"
#include "storage/object/object_store.h"
#include "storage/safetensors/dtype.h"

namespace besa::storage {

// Where a tensor lies inside its file.
struct TensorEntry {
  DType dtype = DType::kF32;
  // Outermost dimension first. Empty for a scalar.
  std::vector<int64_t> shape;
  // Bytes from the start of the file.
  int64_t offset = 0;
  // Bytes.
  int64_t size = 0;

  bool operator==(const TensorEntry&) const = default;
};

struct SafetensorsHeader {
  std::map<std::string, TensorEntry> tensors;
  std::map<std::string, std::string> metadata;
  // SHA-256 of the first 8 bytes and the JSON, lower-case hexadecimal.
  std::string sha256;
};

// Product of the dimensions. OUT_OF_RANGE for a negative one or more than 2^63 - 1 elements.
absl::StatusOr<int64_t> ElementCount(const std::vector<int64_t>& shape);

// Bytes that a tensor of that dtype and shape takes; errors likewise.
absl::StatusOr<int64_t> TensorSize(DType dtype, const std::vector<int64_t>& shape);

// "[4096, 11008]".
std::string FormatShape(const std::vector<int64_t>& shape);

// Parses and checks a header against the size of the file: every offset in range, sizes as dtype and shape say, no
// overlap, no hole, no duplicate name, no more than 100 MB of JSON. INVALID_ARGUMENT naming `file`, the tensor and what
// is wrong; never crashes, whatever the bytes.
absl::StatusOr<SafetensorsHeader> ParseSafetensorsHeader(absl::string_view bytes, int64_t file_size,
                                                         absl::string_view file);

// Reads just the header of a stored file; errors name its URI.
absl::StatusOr<SafetensorsHeader> ReadSafetensorsHeader(ObjectStore& store, const Uri& uri);

// A tensor in host memory: little-endian bytes in row-major order.
struct HostTensor {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;
  HostBytes bytes;
};

// Reads one tensor of a file, exactly its bytes, large ones by several ranges at once.
absl::StatusOr<HostTensor> ReadTensor(ObjectStore& store, const Uri& uri, absl::string_view name,
                                      const TensorEntry& entry);

// The header bytes for tensors of these names, dtypes and shapes, in that order. Deterministic; padded with spaces to a
// multiple of 8. The tensors' `bytes` are not looked at. INVALID_ARGUMENT for a name that appears twice, is
// "__metadata__" or not UTF-8, and for a shape without a size.
absl::StatusOr<std::string> FormatSafetensorsHeader(const std::vector<HostTensor>& tensors,
                                                    const std::map<std::string, std::string>& metadata);

struct WrittenFile {
  int64_t size = 0;
  // Of the whole file, lower-case hexadecimal.
  std::string sha256;
};

// Writes a whole file, streamed. Deterministic bytes. INVALID_ARGUMENT as above and where `bytes` are not as many as
// dtype and shape say.
absl::StatusOr<WrittenFile> WriteSafetensors(ObjectStore& store, const Uri& uri, const std::vector<HostTensor>& tensors,
                                             const std::map<std::string, std::string>& metadata);

}  // namespace besa::storage
