// Which methods of pruning there are, and which of their options go together.
#pragma once

#include "absl/status/status.h"
#include "besa/v1/job.pb.h"
#include "storage/checkpoint/model_config.h"

namespace besa::server {

// Checks `spec.sparsity` and `spec.method` and fills in what was left unset: BESA, the default preset, one rate a row,
// the independent schedule, the preset's reference, the default preset's prior_sigma of 0.08, and what quality and
// recovery stand for (quality.h). batch_size, epochs,
// d_coef and compute_type may stay unset: the engine derives them from model, samples and device. SparseGPT: block size
// 128, damping 0.01. An option of another method is refused. Pure.
absl::Status ResolveMethod(v1::JobSpec& spec);

// Whether the pattern's groups divide the inputs of every linear. Pure.
absl::Status CheckPatternFits(const v1::JobSpec& spec, const storage::ModelConfig& config);

}  // namespace besa::server
