#include "server/validation/method_rules.h"

#include <cmath>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/validation/quality.h"
#include "storage/base/error_info.h"
#include "storage/base/status_macros.h"

namespace besa::server {
namespace {

// sigmoid keeps the paper's logits in (0, 1), so softmax cannot move the mean rate further than this.
constexpr double kPaperLowest = 0.376;
constexpr double kPaperHighest = 0.624;
constexpr double kDefaultPriorSigma = 0.08;
constexpr int kDefaultSparseGptBlockSize = 128;
constexpr double kDefaultSparseGptDamping = 0.01;
// Of what people write for thirds: 0.333333 is 1 - 2/3.
constexpr double kSparsityTolerance = 1e-6;

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
  return FieldError(field, absl::StrCat(value), "a number above 0, or 0 for the default");
}

// A field that the method does not have was left at 0.
absl::Status CheckUnset(absl::string_view field, const std::string& value, bool set, absl::string_view owner) {
  if (!set) return absl::OkStatus();
  return FieldError(field, value, absl::StrCat("nothing: it is an option of ", owner));
}

absl::Status ResolveSchedule(v1::MethodSpec& method) {
  if (method.schedule() == v1::SCHEDULE_UNSPECIFIED) method.set_schedule(v1::SCHEDULE_INDEPENDENT);
  if (v1::Schedule_IsValid(method.schedule())) return absl::OkStatus();
  return FieldError("method.schedule", absl::StrCat(static_cast<int>(method.schedule())),
                    "SCHEDULE_INDEPENDENT or SCHEDULE_SEQUENTIAL");
}

// As published: with one rate a row the dense block on the pruned inputs, with one rate a linear the dense stream.
absl::Status ResolveReference(v1::MethodSpec& method) {
  const bool sequential = method.schedule() == v1::SCHEDULE_SEQUENTIAL;
  if (method.reference() == v1::REFERENCE_UNSPECIFIED) {
    const bool pruned =
        sequential && method.preset() == v1::PRESET_PAPER && method.granularity() == v1::GRANULARITY_ROW;
    method.set_reference(pruned ? v1::REFERENCE_PRUNED_STREAM : v1::REFERENCE_DENSE_STREAM);
  }
  if (!v1::Reference_IsValid(method.reference())) {
    return FieldError("method.reference", absl::StrCat(static_cast<int>(method.reference())),
                      "REFERENCE_DENSE_STREAM or REFERENCE_PRUNED_STREAM");
  }
  if (sequential || method.reference() == v1::REFERENCE_DENSE_STREAM) return absl::OkStatus();
  return FieldError("method.reference", v1::Reference_Name(method.reference()),
                    "REFERENCE_DENSE_STREAM: SCHEDULE_INDEPENDENT has no pruned stream, SCHEDULE_SEQUENTIAL has");
}

// Of what is trained.
absl::Status ResolveLoss(v1::MethodSpec& method) {
  if (method.loss() == v1::LOSS_UNSPECIFIED) {
    const bool plain = method.preset() == v1::PRESET_PAPER || method.quality() == v1::QUALITY_FAST;
    method.set_loss(plain ? v1::LOSS_BLOCK : v1::LOSS_LOOKAHEAD);
  }
  if (!v1::Loss_IsValid(method.loss())) {
    return FieldError("method.loss", absl::StrCat(static_cast<int>(method.loss())), "LOSS_BLOCK or LOSS_LOOKAHEAD");
  }
  if (method.loss() == v1::LOSS_BLOCK || method.preset() != v1::PRESET_PAPER) return absl::OkStatus();
  return FieldError("method.loss", v1::Loss_Name(method.loss()),
                    "LOSS_BLOCK: PRESET_PAPER is what was published, PRESET_DEFAULT can do more");
}

absl::Status ResolveBesa(v1::MethodSpec& method) {
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
  RETURN_IF_ERROR(ResolveReference(method));
  RETURN_IF_ERROR(ResolveLoss(method));
  return CheckUnset("method.pattern", method.pattern(), !method.pattern().empty(),
                    "METHOD_MAGNITUDE, METHOD_WANDA and METHOD_SPARSEGPT; METHOD_BESA learns how much of each row to "
                    "remove");
}

absl::Status CheckNoBesaOptions(const v1::MethodSpec& method) {
  const std::string besa = "METHOD_BESA";
  RETURN_IF_ERROR(CheckUnset("method.preset", EnumName(method.preset(), v1::Preset_Name(method.preset())),
                             method.preset() != v1::PRESET_UNSPECIFIED, besa));
  RETURN_IF_ERROR(CheckUnset("method.granularity",
                             EnumName(method.granularity(), v1::Granularity_Name(method.granularity())),
                             method.granularity() != v1::GRANULARITY_UNSPECIFIED, besa));
  RETURN_IF_ERROR(CheckUnset("method.batch_size", absl::StrCat(method.batch_size()), method.batch_size() != 0, besa));
  RETURN_IF_ERROR(CheckUnset("method.epochs", absl::StrCat(method.epochs()), method.epochs() != 0, besa));
  RETURN_IF_ERROR(CheckUnset("method.d_coef", absl::StrCat(method.d_coef()), method.d_coef() != 0.0, besa));
  return CheckUnset("method.prior_sigma", absl::StrCat(method.prior_sigma()), method.prior_sigma() != 0.0, besa);
}

absl::Status ResolveBaseline(v1::MethodSpec& method) {
  RETURN_IF_ERROR(CheckNoBesaOptions(method));
  // Without recovery they compare with nothing.
  if (method.has_recovery()) {
    RETURN_IF_ERROR(ResolveReference(method));
    return ResolveLoss(method);
  }
  const std::string trained = "METHOD_BESA and of recovery";
  RETURN_IF_ERROR(CheckUnset("method.loss", EnumName(method.loss(), v1::Loss_Name(method.loss())),
                             method.loss() != v1::LOSS_UNSPECIFIED, trained));
  return CheckUnset("method.reference", EnumName(method.reference(), v1::Reference_Name(method.reference())),
                    method.reference() != v1::REFERENCE_UNSPECIFIED, trained);
}

absl::Status ResolveSparseGpt(v1::MethodSpec& method) {
  if (method.method() != v1::METHOD_SPARSEGPT) {
    RETURN_IF_ERROR(CheckUnset("method.sparsegpt_block_size", absl::StrCat(method.sparsegpt_block_size()),
                               method.sparsegpt_block_size() != 0, "METHOD_SPARSEGPT"));
    return CheckUnset("method.sparsegpt_damping", absl::StrCat(method.sparsegpt_damping()),
                      method.sparsegpt_damping() != 0.0, "METHOD_SPARSEGPT");
  }
  RETURN_IF_ERROR(CheckNotNegative("method.sparsegpt_block_size", method.sparsegpt_block_size()));
  RETURN_IF_ERROR(CheckNotNegative("method.sparsegpt_damping", method.sparsegpt_damping()));
  if (method.sparsegpt_block_size() == 0) method.set_sparsegpt_block_size(kDefaultSparseGptBlockSize);
  if (method.sparsegpt_damping() == 0.0) method.set_sparsegpt_damping(kDefaultSparseGptDamping);
  return absl::OkStatus();
}

struct Pattern {
  int64_t kept = 0;
  int64_t of = 0;
};

// "2:4".
absl::StatusOr<Pattern> ParsePattern(const std::string& text) {
  const std::vector<std::string> parts = absl::StrSplit(text, ':');
  Pattern pattern;
  if (parts.size() != 2 || !absl::SimpleAtoi(parts[0], &pattern.kept) || !absl::SimpleAtoi(parts[1], &pattern.of) ||
      pattern.kept < 1 || pattern.kept >= pattern.of) {
    return FieldError("method.pattern", text, "N:M with 1 <= N < M, 2:4 for instance, where N of M weights are kept");
  }
  return pattern;
}

absl::Status CheckPattern(v1::JobSpec& spec) {
  v1::MethodSpec& method = *spec.mutable_method();
  ASSIGN_OR_RETURN(const Pattern pattern, ParsePattern(method.pattern()));
  method.set_pattern(absl::StrCat(pattern.kept, ":", pattern.of));
  const double sparsity = 1.0 - static_cast<double>(pattern.kept) / static_cast<double>(pattern.of);
  if (std::abs(spec.sparsity() - sparsity) > kSparsityTolerance) {
    return FieldError("sparsity", absl::StrCat(spec.sparsity()),
                      absl::StrCat(sparsity, ", as method.pattern is ", method.pattern()));
  }
  if (method.sparsegpt_block_size() % pattern.of != 0) {
    return FieldError("method.sparsegpt_block_size", absl::StrCat(method.sparsegpt_block_size()),
                      absl::StrCat("a multiple of ", pattern.of, ", as method.pattern is ", method.pattern()));
  }
  return absl::OkStatus();
}

// What is published, and a pattern, leaves every block the same share.
absl::Status ResolveBlockAllocation(v1::MethodSpec& method) {
  const bool besa = method.method() == v1::METHOD_BESA && method.preset() == v1::PRESET_DEFAULT;
  if (method.block_allocation() == v1::BLOCK_ALLOCATION_UNSPECIFIED) {
    method.set_block_allocation(besa ? v1::BLOCK_ALLOCATION_MEASURED : v1::BLOCK_ALLOCATION_UNIFORM);
  }
  const std::string value = EnumName(method.block_allocation(), v1::BlockAllocation_Name(method.block_allocation()));
  if (!v1::BlockAllocation_IsValid(method.block_allocation())) {
    return FieldError("method.block_allocation", value, "BLOCK_ALLOCATION_UNIFORM or BLOCK_ALLOCATION_MEASURED");
  }
  if (method.block_allocation() != v1::BLOCK_ALLOCATION_MEASURED) return absl::OkStatus();
  if (!method.pattern().empty()) {
    return FieldError("method.block_allocation", value,
                      absl::StrCat("BLOCK_ALLOCATION_UNIFORM, as method.pattern is ", method.pattern()));
  }
  if (method.preset() == v1::PRESET_PAPER) {
    return FieldError("method.block_allocation", value,
                      "BLOCK_ALLOCATION_UNIFORM: PRESET_PAPER is what was published, PRESET_DEFAULT can do more");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ResolveMethod(v1::JobSpec& spec) {
  v1::MethodSpec& method = *spec.mutable_method();

  if (method.method() == v1::METHOD_UNSPECIFIED) method.set_method(v1::METHOD_BESA);
  if (!v1::Method_IsValid(method.method())) {
    return FieldError("method.method", absl::StrCat(static_cast<int>(method.method())),
                      "METHOD_BESA, METHOD_MAGNITUDE, METHOD_WANDA or METHOD_SPARSEGPT");
  }
  RETURN_IF_ERROR(ResolveQuality(method));
  RETURN_IF_ERROR(ResolveSchedule(method));
  RETURN_IF_ERROR(ResolveRecovery(method));
  RETURN_IF_ERROR(method.method() == v1::METHOD_BESA ? ResolveBesa(method) : ResolveBaseline(method));
  RETURN_IF_ERROR(ResolveSparseGpt(method));
  RETURN_IF_ERROR(ResolveBlockAllocation(method));
  if (!v1::ComputeType_IsValid(method.compute_type())) {
    return FieldError("method.compute_type", absl::StrCat(static_cast<int>(method.compute_type())),
                      "COMPUTE_TYPE_FLOAT32 or COMPUTE_TYPE_BFLOAT16");
  }

  RETURN_IF_ERROR(CheckSparsity(spec));
  return method.pattern().empty() ? absl::OkStatus() : CheckPattern(spec);
}

absl::Status CheckPatternFits(const v1::JobSpec& spec, const storage::ModelConfig& config) {
  if (spec.method().pattern().empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const Pattern pattern, ParsePattern(spec.method().pattern()));
  for (const storage::LinearSpec& linear : storage::BlockLinears(config)) {
    if (linear.cols % pattern.of != 0) {
      return FieldError("method.pattern", spec.method().pattern(),
                        absl::StrCat("an M that divides the ", linear.cols, " inputs of ", std::string(linear.name)));
    }
  }
  return absl::OkStatus();
}

}  // namespace besa::server
