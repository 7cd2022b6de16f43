// What recovery does unless the job says otherwise. The coordinator fills a job's spec in with it, the engine the
// options of those who call it without a service.
#pragma once

#include <cstdint>

namespace besa::cost {

inline constexpr int64_t kRecoveryBatchSize = 4;
inline constexpr double kRecoveryLearningRate = 1e-3;

}  // namespace besa::cost
