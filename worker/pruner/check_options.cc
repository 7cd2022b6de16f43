#include "worker/pruner/check_options.h"

#include <cmath>
#include <string>

#include "absl/strings/str_cat.h"
#include "storage/base/error_info.h"
#include "storage/base/status_macros.h"

namespace besa::pruner {
namespace {

absl::Status CheckNotNegative(absl::string_view field, double value) {
  if (value >= 0.0 && std::isfinite(value)) return absl::OkStatus();
  return FieldError(field, absl::StrCat(value), "0 or more");
}

absl::Status CheckPattern(const BesaOptions& options, const storage::ModelConfig& config) {
  const Pattern& pattern = options.pattern;
  const std::string shown = absl::StrCat(pattern.kept, ":", pattern.of);
  if (options.method == Method::kBesa) {
    return FieldError("pattern", shown, "none with BESA, which learns how much of each row to remove");
  }
  if (pattern.kept < 1 || pattern.kept >= pattern.of) {
    return FieldError("pattern", shown, "N:M with 1 <= N < M");
  }
  const double sparsity = 1.0 - static_cast<double>(pattern.kept) / static_cast<double>(pattern.of);
  if (std::abs(options.sparsity - sparsity) > 1e-6) {
    return FieldError("sparsity", absl::StrCat(options.sparsity), absl::StrCat(sparsity, " with pattern ", shown));
  }
  for (const storage::LinearSpec& linear : storage::BlockLinears(config)) {
    if (linear.cols % pattern.of != 0) {
      return FieldError("pattern", shown,
                        absl::StrCat("an M that divides the ", linear.cols, " inputs of ", std::string(linear.name)));
    }
  }
  if (options.sparsegpt_block_size % pattern.of != 0) {
    return FieldError("sparsegpt_block_size", absl::StrCat(options.sparsegpt_block_size),
                      absl::StrCat("a multiple of the M of pattern ", shown));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckOptions(const BesaOptions& options, const storage::ModelConfig& config) {
  if (!(options.sparsity > 0.0 && options.sparsity < 1.0)) {
    return FieldError("sparsity", absl::StrCat(options.sparsity), "a number between 0 and 1, both excluded");
  }
  RETURN_IF_ERROR(CheckNotNegative("batch_size", static_cast<double>(options.batch_size)));
  RETURN_IF_ERROR(CheckNotNegative("epochs", static_cast<double>(options.epochs)));
  RETURN_IF_ERROR(CheckNotNegative("d_coef", options.d_coef));
  RETURN_IF_ERROR(CheckNotNegative("prior_sigma", options.prior_sigma));
  RETURN_IF_ERROR(CheckNotNegative("sparsegpt_block_size", static_cast<double>(options.sparsegpt_block_size)));
  RETURN_IF_ERROR(CheckNotNegative("sparsegpt_damping", options.sparsegpt_damping));
  RETURN_IF_ERROR(CheckNotNegative("recovery.epochs", static_cast<double>(options.recovery.epochs)));
  RETURN_IF_ERROR(CheckNotNegative("recovery.learning_rate", options.recovery.learning_rate));
  RETURN_IF_ERROR(CheckNotNegative("recovery.batch_size", static_cast<double>(options.recovery.batch_size)));
  RETURN_IF_ERROR(CheckNotNegative("recovery.decay", options.recovery.decay));
  RETURN_IF_ERROR(CheckNotNegative("recovery.dense_every", static_cast<double>(options.recovery.dense_every)));
  return options.pattern.given() ? CheckPattern(options, config) : absl::OkStatus();
}

}  // namespace besa::pruner
