#include "worker/pruner/block_cost.h"

#include "worker/pruner/block_shape.h"

namespace besa::pruner {
namespace {

double Flops(int64_t samples, int64_t length, int64_t weights) {
  return 2.0 * static_cast<double>(samples) * static_cast<double>(length) * static_cast<double>(weights);
}

}  // namespace

double LinearForwardFlops(const storage::ModelConfig& config, int64_t samples, int64_t length) {
  return Flops(samples, length, BlockShape::Of(config, 0).TotalWeights());
}

double AttentionForwardFlops(const storage::ModelConfig& config, int64_t samples, int64_t length) {
  const BlockShape shape = BlockShape::Of(config, 0);
  // Scores, and their product with the values: each 2 * length^2 * heads * head_dim, of which half is hidden.
  return Flops(samples, length, shape.heads * shape.head_dim) * static_cast<double>(length);
}

double BlockFlops(const storage::ModelConfig& config, int64_t samples, int64_t length, const BesaOptions& options) {
  const BlockShape shape = BlockShape::Of(config, 0);
  const double linears = LinearForwardFlops(config, samples, length);
  const double attention = AttentionForwardFlops(config, samples, length);
  const double qkv = Flops(samples, length, shape.GroupRows(kQkv) * shape.GroupCols(kQkv));
  const double forward = linears + attention;
  const double training = forward + linears + (linears - qkv) + 2.5 * attention;
  double walks = 0.0;
  if (options.schedule == Schedule::kSequential) walks = options.reference == Reference::kDenseStream ? 2.0 : 1.0;
  const int64_t passes = options.epochs + options.recovery.epochs;
  return (1.0 + walks) * forward + static_cast<double>(passes) * training;
}

}  // namespace besa::pruner
