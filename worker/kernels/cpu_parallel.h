// Parallel loops of the CPU twins.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>

#include "worker/kernels/device.h"

namespace besa::kernels::cpu {

// body(begin, end) over [0, count), where one step costs about `cost` elements of work.
inline void Parallel(const Device& device, int64_t count, int64_t cost,
                     const std::function<void(int64_t begin, int64_t end)>& body) {
  // Less than this many elements are not worth a thread.
  constexpr int64_t kElementsPerRange = 1 << 15;
  if (!device.parallel_for) {
    body(0, count);
    return;
  }
  device.parallel_for(count, std::max<int64_t>(1, kElementsPerRange / std::max<int64_t>(1, cost)), body);
}

}  // namespace besa::kernels::cpu
