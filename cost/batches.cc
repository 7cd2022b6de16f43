#include "cost/batches.h"

#include <algorithm>

namespace besa::cost {
namespace {

constexpr int64_t kCpuTokens = 1024;
constexpr int64_t kCudaTokens = 8192;
constexpr int64_t kEvaluationTokens = int64_t{1} << 18;
// In float32.
constexpr int64_t kLogitBytes = int64_t{64} << 20;
constexpr int64_t kFinalLossTokens = 8192;
constexpr int64_t kSurveyedTokens = 4096;
constexpr int64_t kMostGroups = 32;

}  // namespace

int64_t WalkTokens(bool cuda) { return cuda ? kCudaTokens : kCpuTokens; }

int64_t WalkBatch(int64_t length, bool cuda) { return std::max<int64_t>(1, WalkTokens(cuda) / length); }

int64_t EvaluationGroup(int64_t length) { return std::max<int64_t>(1, kEvaluationTokens / length); }

int64_t LogitWindows(int64_t vocab_size, int64_t length) {
  return std::max<int64_t>(1, kLogitBytes / (4 * vocab_size * length));
}

int64_t FinalLossSamples(int64_t samples, int64_t length) {
  return std::min(samples, std::max<int64_t>(1, kFinalLossTokens / length));
}

int64_t SortedAtOnce(bool cuda) { return int64_t{1} << (cuda ? 20 : 18); }

int64_t SurveyedWindows(int64_t samples, int64_t length) {
  return std::min(samples, std::max<int64_t>(2, (kSurveyedTokens + length - 1) / length));
}

int64_t SurveyedTogether(int64_t blocks) { return (blocks + kMostGroups - 1) / kMostGroups; }

int64_t SurveyedGroups(int64_t blocks) {
  const int64_t together = SurveyedTogether(blocks);
  return (blocks + together - 1) / together;
}

}  // namespace besa::cost
