#include "worker/pruner/sparsegpt.h"

#include <ATen/ops/div.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>

#include "worker/pruner/mask.h"

namespace besa::pruner {
namespace {

// What removing each weight costs: w^2 / U[c, c]^2. `columns` [columns, rows], `diagonal` [columns].
at::Tensor Costs(const at::Tensor& columns, const at::Tensor& diagonal) {
  return columns.div(diagonal.unsqueeze(1)).square_();
}

at::Tensor ChooseAnywhere(const at::Tensor& columns, const at::Tensor& diagonal,
                          const std::vector<int64_t>& linear_rows, double sparsity) {
  const at::Tensor remove = at::empty_like(columns, columns.options().dtype(at::kBool));
  const at::Tensor costs = Costs(columns, diagonal);
  int64_t row = 0;
  for (const int64_t rows : linear_rows) {
    const int64_t weights = rows * columns.size(0);
    const auto count = static_cast<int64_t>(static_cast<double>(weights) * sparsity) + 1;
    remove.narrow(1, row, rows).copy_(SmallestOfAll(costs.narrow(1, row, rows), std::min(count, weights)));
    row += rows;
  }
  return remove;
}

}  // namespace

at::Tensor SparseGpt(const at::Tensor& weight, const at::Tensor& factor, const std::vector<int64_t>& linear_rows,
                     const BesaOptions& options) {
  const int64_t cols = weight.size(1);
  const Pattern& pattern = options.pattern;
  const at::Tensor removed = at::empty(weight.sizes(), weight.options().dtype(at::kBool));
  for (int64_t first = 0; first < cols; first += options.sparsegpt_block_size) {
    const int64_t count = std::min(options.sparsegpt_block_size, cols - first);
    const at::Tensor factor_rows = factor.narrow(0, first, count);
    const at::Tensor diagonal = factor_rows.narrow(1, first, count).diagonal();
    // Transposed, so that a column lies in one piece: [count, rows].
    const at::Tensor columns = weight.narrow(1, first, count).t().clone(at::MemoryFormat::Contiguous);
    const at::Tensor errors = at::empty_like(columns);
    const at::Tensor remove = pattern.given() ? at::zeros_like(columns, columns.options().dtype(at::kBool))
                                              : ChooseAnywhere(columns, diagonal, linear_rows, options.sparsity);
    for (int64_t i = 0; i < count; ++i) {
      if (pattern.given() && i % pattern.of == 0) {
        // By what the columns before have made of these.
        const at::Tensor costs = Costs(columns.narrow(0, i, pattern.of), diagonal.narrow(0, i, pattern.of));
        remove.narrow(0, i, pattern.of).copy_(SmallestOfGroups(costs.t(), pattern).t());
      }
      const at::Tensor column = columns.select(0, i);
      at::Tensor error = errors.select(0, i);
      at::div_out(error, column.masked_fill(remove.select(0, i).logical_not(), 0), diagonal.select(0, i));
      column.masked_fill_(remove.select(0, i), 0);
      if (i + 1 == count) break;
      const at::Tensor effect = factor_rows.select(0, i).narrow(0, first + i + 1, count - i - 1);
      columns.narrow(0, i + 1, count - i - 1).addr_(effect, error, /*beta=*/1, /*alpha=*/-1);
    }
    weight.narrow(1, first, count).copy_(columns.t());
    removed.narrow(1, first, count).copy_(remove.t());
    const int64_t rest = cols - first - count;
    if (rest > 0) {
      weight.narrow(1, first + count, rest)
          .addmm_(errors.t(), factor_rows.narrow(1, first + count, rest), /*beta=*/1, /*alpha=*/-1);
    }
  }
  return removed;
}

}  // namespace besa::pruner
