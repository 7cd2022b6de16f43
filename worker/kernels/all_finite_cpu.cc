#include "worker/kernels/allocation_twins.h"
#include "worker/kernels/cpu_vector.h"

namespace besa::kernels::cpu {
namespace {

// NaN and infinity are those whose difference from themselves is not 0.
BESA_FOR_EVERY_CPU bool IsFinite(const double* x, int64_t count) {
  return SumInLanes<int64_t>(count, [&](int64_t i) -> int64_t { return x[i] - x[i] != 0.0; }) == 0;
}

}  // namespace

void AllFinite(const double* x, const int64_t* begin, int parts, bool* finite, bool* all) {
  *all = true;
  for (int part = 0; part < parts; ++part) {
    finite[part] = IsFinite(x + begin[part], begin[part + 1] - begin[part]);
    *all = *all && finite[part];
  }
}

}  // namespace besa::kernels::cpu
