#include "worker/pruner/host_mask.h"

#include <cstddef>
#include <cstring>
#include <type_traits>

namespace besa::pruner {
namespace {

// All bits but the sign are zero.
template <typename Bits>
int64_t CountZeroBits(const storage::HostTensor& tensor) {
  int64_t zeros = 0;
  for (size_t offset = 0; offset + sizeof(Bits) <= tensor.bytes.size(); offset += sizeof(Bits)) {
    Bits bits;
    std::memcpy(&bits, tensor.bytes.data() + offset, sizeof(Bits));
    zeros += static_cast<Bits>(bits << 1) == 0;
  }
  return zeros;
}

}  // namespace

void ZeroLeastImportant(storage::HostTensor& tensor, std::span<const uint16_t> order, std::span<const int32_t> pruned) {
  const size_t size = static_cast<size_t>(storage::ElementSize(tensor.dtype));
  const size_t cols = static_cast<size_t>(tensor.shape[1]);
  for (size_t row = 0; row < pruned.size(); ++row) {
    std::byte* bytes = tensor.bytes.data() + row * cols * size;
    const std::span<const uint16_t> columns = order.subspan(row * cols, static_cast<size_t>(pruned[row]));
    for (uint16_t column : columns) std::memset(bytes + column * size, 0, size);
  }
}

int64_t CountZeros(const storage::HostTensor& tensor) {
  switch (storage::ElementSize(tensor.dtype)) {
    case 2:
      return CountZeroBits<uint16_t>(tensor);
    case 4:
      return CountZeroBits<uint32_t>(tensor);
    default:
      return CountZeroBits<uint64_t>(tensor);
  }
}

}  // namespace besa::pruner
