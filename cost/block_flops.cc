#include "cost/block_flops.h"

namespace besa::cost {
namespace {

double Flops(int64_t samples, int64_t length, int64_t weights) {
  return 2.0 * static_cast<double>(samples) * static_cast<double>(length) * static_cast<double>(weights);
}

// Scores, and their product with the values: each 2 * length^2 * width, of which half is hidden.
double AttentionFlops(int64_t width, int64_t samples, int64_t length) {
  return Flops(samples, length, width) * static_cast<double>(length);
}

}  // namespace

double ForwardFlops(const BlockShape& shape, int64_t samples, int64_t length) {
  return ForwardFlops(shape.TotalWeights(), shape.heads * shape.head_dim, samples, length);
}

double ForwardFlops(int64_t weights, int64_t attention_width, int64_t samples, int64_t length) {
  return Flops(samples, length, weights) + AttentionFlops(attention_width, samples, length);
}

double TrainingFlops(const BlockShape& shape, int64_t samples, int64_t length) {
  const double linears = Flops(samples, length, shape.TotalWeights());
  const double qkv = Flops(samples, length, shape.GroupRows(kQkv) * shape.GroupCols(kQkv));
  const double attention = AttentionFlops(shape.heads * shape.head_dim, samples, length);
  return (linears + attention) + linears + (linears - qkv) + 2.5 * attention;
}

double BlockFlops(const storage::ModelConfig& config, int64_t samples, int64_t length, const BesaOptions& options) {
  const BlockShape shape = BlockShape::Of(config, 0);
  double walks = 0.0;
  if (TakesPrunedStream(options)) walks = TakesDenseStream(options) ? 2.0 : 1.0;
  const int64_t passes = options.epochs + options.recovery.epochs;
  return (1.0 + walks) * ForwardFlops(shape, samples, length) +
         static_cast<double>(passes) * TrainingFlops(shape, samples, length);
}

}  // namespace besa::cost
