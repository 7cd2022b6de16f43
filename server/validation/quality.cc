#include "server/validation/quality.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "cost/recovery_defaults.h"
#include "storage/base/error_info.h"
#include "storage/base/status_macros.h"

namespace besa::server {
namespace {

constexpr int kRecoveryEpochs = 4;
// Above this Adam no longer recovers anything: every step would turn most weights' signs.
constexpr double kHighestLearningRate = 1.0;

constexpr int kBalancedEpochs = 4;
constexpr int kBestEpochs = 12;
// Smaller steps: with larger ones a small model learns so long a recovery's samples by heart.
constexpr double kBestLearningRate = 5e-4;
// Both against learning the samples by heart. A pattern leaves less to learn with, so that full steps without decay do
// better there (docs/benchmarks.md).
constexpr double kBestDecay = 3.0;
constexpr int kBestDenseEvery = 3;

void Recover(int epochs, double learning_rate, v1::MethodSpec& method) {
  if (method.schedule() == v1::SCHEDULE_UNSPECIFIED) method.set_schedule(v1::SCHEDULE_SEQUENTIAL);
  v1::RecoverySpec& recovery = *method.mutable_recovery();
  if (recovery.epochs() == 0) recovery.set_epochs(epochs);
  if (recovery.learning_rate() == 0.0) recovery.set_learning_rate(learning_rate);
}

void KeepNearDense(v1::MethodSpec& method) {
  v1::RecoverySpec& recovery = *method.mutable_recovery();
  if (!recovery.has_decay() && method.pattern().empty()) recovery.set_decay(kBestDecay);
  const bool both_streams =
      method.schedule() == v1::SCHEDULE_SEQUENTIAL && method.reference() != v1::REFERENCE_PRUNED_STREAM;
  if (!recovery.has_dense_every() && both_streams) recovery.set_dense_every(kBestDenseEvery);
}

absl::Status CheckCount(absl::string_view field, int value) {
  if (value >= 0) return absl::OkStatus();
  return FieldError(field, absl::StrCat(value), "a number above 0, or 0 for the default");
}

absl::Status CheckDenseInputs(const v1::MethodSpec& method) {
  const int every = method.recovery().dense_every();
  if (every == 0) return absl::OkStatus();
  if (every < 2) {
    return FieldError("method.recovery.dense_every", absl::StrCat(every), "at least 2, or 0 for no such pass");
  }
  if (method.schedule() == v1::SCHEDULE_SEQUENTIAL && method.reference() != v1::REFERENCE_PRUNED_STREAM) {
    return absl::OkStatus();
  }
  return FieldError("method.recovery.dense_every", absl::StrCat(every),
                    "0: there are two streams of inputs in SCHEDULE_SEQUENTIAL with REFERENCE_DENSE_STREAM alone");
}

}  // namespace

absl::Status ResolveQuality(v1::MethodSpec& method) {
  const bool more = method.quality() == v1::QUALITY_BALANCED || method.quality() == v1::QUALITY_BEST;
  if (more && method.preset() == v1::PRESET_PAPER) {
    return FieldError("method.quality", v1::Quality_Name(method.quality()),
                      "QUALITY_FAST: PRESET_PAPER is what was published, PRESET_DEFAULT can do more");
  }
  switch (method.quality()) {
    case v1::QUALITY_UNSPECIFIED:
      return absl::OkStatus();
    case v1::QUALITY_FAST:
      if (method.schedule() == v1::SCHEDULE_UNSPECIFIED) method.set_schedule(v1::SCHEDULE_INDEPENDENT);
      return absl::OkStatus();
    case v1::QUALITY_BALANCED:
      Recover(kBalancedEpochs, cost::kRecoveryLearningRate, method);
      return absl::OkStatus();
    case v1::QUALITY_BEST:
      Recover(kBestEpochs, method.pattern().empty() ? kBestLearningRate : cost::kRecoveryLearningRate, method);
      KeepNearDense(method);
      return absl::OkStatus();
    default:
      return FieldError("method.quality", absl::StrCat(static_cast<int>(method.quality())),
                        "QUALITY_FAST, QUALITY_BALANCED or QUALITY_BEST");
  }
}

absl::Status ResolveRecovery(v1::MethodSpec& method) {
  if (!method.has_recovery()) return absl::OkStatus();
  v1::RecoverySpec& recovery = *method.mutable_recovery();
  RETURN_IF_ERROR(CheckCount("method.recovery.epochs", recovery.epochs()));
  RETURN_IF_ERROR(CheckCount("method.recovery.batch_size", recovery.batch_size()));
  if (!(recovery.learning_rate() >= 0.0 && recovery.learning_rate() <= kHighestLearningRate)) {
    return FieldError("method.recovery.learning_rate", absl::StrCat(recovery.learning_rate()),
                      absl::StrCat("a number above 0 and at most ", kHighestLearningRate, ", or 0 for the default"));
  }
  if (!v1::RecoveryMasks_IsValid(recovery.masks())) {
    return FieldError("method.recovery.masks", absl::StrCat(static_cast<int>(recovery.masks())),
                      "RECOVERY_MASKS_GROWING or RECOVERY_MASKS_FIXED");
  }
  if (recovery.masks() == v1::RECOVERY_MASKS_UNSPECIFIED) {
    // SparseGPT has made its weights for its masks.
    const bool own_weights = method.method() == v1::METHOD_SPARSEGPT;
    recovery.set_masks(own_weights ? v1::RECOVERY_MASKS_FIXED : v1::RECOVERY_MASKS_GROWING);
  }
  if (recovery.masks() == v1::RECOVERY_MASKS_GROWING && method.method() == v1::METHOD_SPARSEGPT) {
    return FieldError("method.recovery.masks", v1::RecoveryMasks_Name(recovery.masks()),
                      "RECOVERY_MASKS_FIXED: METHOD_SPARSEGPT has made its weights for its masks");
  }
  if (recovery.epochs() == 0) recovery.set_epochs(kRecoveryEpochs);
  if (recovery.batch_size() == 0) recovery.set_batch_size(cost::kRecoveryBatchSize);
  if (recovery.learning_rate() == 0.0) recovery.set_learning_rate(cost::kRecoveryLearningRate);
  // A step goes no further than the whole way.
  const double most = 1.0 / recovery.learning_rate();
  if (!(recovery.decay() >= 0.0 && recovery.decay() <= most)) {
    return FieldError("method.recovery.decay", absl::StrCat(recovery.decay()),
                      absl::StrCat("0 to ", most, ", which times the learning rate of ", recovery.learning_rate(),
                                   " is the whole way"));
  }
  return CheckDenseInputs(method);
}

}  // namespace besa::server
