#include "server/validation/method_rules.h"

#include <cmath>
#include <string>

#include "absl/strings/str_cat.h"
#include "storage/base/error_info.h"
#include "storage/base/status_macros.h"

namespace besa::server {
namespace {

// sigmoid keeps the paper's logits in (0, 1), so softmax cannot move the mean rate further than this.
constexpr double kPaperLowest = 0.376;
constexpr double kPaperHighest = 0.624;
constexpr double kDefaultPriorSigma = 0.08;

// The name of a field's value, or its number for one that this version does not know.
template <typename Enum>
std::string EnumName(Enum value, const std::string& name) {
  return name.empty() ? absl::StrCat(static_cast<int>(value)) : name;
}

absl::Status CheckSparsity(const v1::JobSpec& spec) {
  const double sparsity = spec.sparsity();
  if (!(sparsity > 0.0 && sparsity < 1.0)) {
    return FieldError("sparsity", absl::StrCat(sparsity), "a number between 0 and 1, both excluded");
  }
  if (spec.method().preset() == v1::PRESET_PAPER && (sparsity < kPaperLowest || sparsity > kPaperHighest)) {
    return FieldError("sparsity", absl::StrCat(sparsity),
                      absl::StrCat("a number from ", kPaperLowest, " to ", kPaperHighest,
                                   " with PRESET_PAPER, whose rates cannot leave that range; PRESET_DEFAULT can"));
  }
  return absl::OkStatus();
}

// 0 means unset.
absl::Status CheckNotNegative(absl::string_view field, double value) {
  if (value >= 0.0 && std::isfinite(value)) return absl::OkStatus();
  return FieldError(field, absl::StrCat(value), "a number above 0, or 0 for the preset's value");
}

}  // namespace

absl::Status ResolveMethod(v1::JobSpec& spec) {
  v1::MethodSpec& method = *spec.mutable_method();

  if (method.method() == v1::METHOD_UNSPECIFIED) method.set_method(v1::METHOD_BESA);
  if (method.method() != v1::METHOD_BESA) {
    return FieldError("method.method", EnumName(method.method(), v1::Method_Name(method.method())), "METHOD_BESA");
  }
  if (method.preset() == v1::PRESET_UNSPECIFIED) method.set_preset(v1::PRESET_DEFAULT);
  if (method.preset() != v1::PRESET_DEFAULT && method.preset() != v1::PRESET_PAPER) {
    return FieldError("method.preset", EnumName(method.preset(), v1::Preset_Name(method.preset())),
                      "PRESET_DEFAULT or PRESET_PAPER");
  }
  if (method.granularity() == v1::GRANULARITY_UNSPECIFIED) method.set_granularity(v1::GRANULARITY_ROW);
  if (method.granularity() != v1::GRANULARITY_ROW && method.granularity() != v1::GRANULARITY_LAYER) {
    return FieldError("method.granularity", EnumName(method.granularity(), v1::Granularity_Name(method.granularity())),
                      "GRANULARITY_ROW or GRANULARITY_LAYER");
  }
  if (method.schedule() == v1::SCHEDULE_UNSPECIFIED) method.set_schedule(v1::SCHEDULE_INDEPENDENT);
  if (method.schedule() != v1::SCHEDULE_INDEPENDENT) {
    return FieldError("method.schedule", EnumName(method.schedule(), v1::Schedule_Name(method.schedule())),
                      "SCHEDULE_INDEPENDENT");
  }
  if (!v1::ComputeType_IsValid(method.compute_type())) {
    return FieldError("method.compute_type", absl::StrCat(static_cast<int>(method.compute_type())),
                      "COMPUTE_TYPE_FLOAT32 or COMPUTE_TYPE_BFLOAT16");
  }

  RETURN_IF_ERROR(CheckNotNegative("method.batch_size", method.batch_size()));
  RETURN_IF_ERROR(CheckNotNegative("method.epochs", method.epochs()));
  RETURN_IF_ERROR(CheckNotNegative("method.d_coef", method.d_coef()));
  RETURN_IF_ERROR(CheckNotNegative("method.prior_sigma", method.prior_sigma()));
  if (method.preset() == v1::PRESET_PAPER && method.prior_sigma() != 0.0) {
    return FieldError("method.prior_sigma", absl::StrCat(method.prior_sigma()),
                      "0: PRESET_PAPER has no prior, PRESET_DEFAULT has");
  }
  if (method.preset() == v1::PRESET_DEFAULT && method.prior_sigma() == 0.0) {
    method.set_prior_sigma(kDefaultPriorSigma);
  }
  return CheckSparsity(spec);
}

}  // namespace besa::server
