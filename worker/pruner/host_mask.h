// The mask on a checkpoint's own bytes: what is kept stays bit for bit, what is removed becomes +0.
#pragma once

#include <cstdint>
#include <span>

#include "storage/safetensors/safetensors.h"

namespace besa::pruner {

// Zeroes, in each row of `tensor` [rows, cols], the columns order[row][0 .. pruned[row]). `order` is [rows, cols]
// uint16, `pruned` [rows].
void ZeroLeastImportant(storage::HostTensor& tensor, std::span<const uint16_t> order, std::span<const int32_t> pruned);

// Elements that are +0 or -0, of a tensor with floating dtype.
int64_t CountZeros(const storage::HostTensor& tensor);

}  // namespace besa::pruner
