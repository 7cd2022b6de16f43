#include "worker/pruner/exact_sparsity.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace besa::pruner {
namespace {

double Share(const RowRate& row, double delta) {
  return static_cast<double>(row.cols) * std::clamp(row.rate + delta, 0.0, 1.0);
}

double Total(const std::vector<RowRate>& rows, double delta) {
  double total = 0.0;
  for (const RowRate& row : rows) total += Share(row, delta);
  return total;
}

// The smallest shift, to float64's resolution, that reaches the target. Total never falls as delta grows, and
// [-1, 1] reaches from nothing to everything.
double FindShift(const std::vector<RowRate>& rows, double target) {
  double low = -1.0;
  double high = 1.0;
  while (true) {
    const double middle = low + (high - low) / 2;
    if (middle <= low || middle >= high) return high;
    (Total(rows, middle) < target ? low : high) = middle;
  }
}

}  // namespace

std::vector<int32_t> ExactSparsity(const std::vector<RowRate>& rows, double sparsity) {
  int64_t weights = 0;
  for (const RowRate& row : rows) weights += row.cols;
  const int64_t target = std::llround(sparsity * static_cast<double>(weights));
  const double delta = FindShift(rows, static_cast<double>(target));

  std::vector<int32_t> removed(rows.size());
  std::vector<int64_t> remainder(rows.size());
  int64_t missing = target;
  for (size_t i = 0; i < rows.size(); ++i) {
    const double share = Share(rows[i], delta);
    // A share that is a whole number but for rounding counts as one.
    const double whole = std::min(std::floor(share + 1e-9), static_cast<double>(rows[i].cols));
    removed[i] = static_cast<int32_t>(whole);
    remainder[i] = std::llround((share - whole) * 1e6);
    missing -= removed[i];
  }

  std::vector<size_t> order(rows.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return remainder[a] > remainder[b]; });
  // One round gives every row at most one weight and is enough, but for rates that are not numbers from 0 to 1.
  while (missing != 0) {
    const int step = missing > 0 ? 1 : -1;
    const int64_t before = missing;
    for (size_t i : order) {
      if (missing == 0) break;
      const int64_t next = removed[i] + step;
      if (next < 0 || next > rows[i].cols) continue;
      removed[i] = static_cast<int32_t>(next);
      missing -= step;
    }
    if (missing == before) break;
  }
  return removed;
}

}  // namespace besa::pruner
