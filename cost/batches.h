// How much goes through a model at once. Results depend on it, bit for bit, and so does memory: one place decides.
#pragma once

#include <cstdint>

namespace besa::cost {

// Tokens that go through a block at once, if a window is not longer: enough to fill the device, few enough for a CPU's
// caches.
int64_t WalkTokens(bool cuda);

// Windows that go through a block at once: as many as make up WalkTokens, at least one.
int64_t WalkBatch(int64_t length, bool cuda);

// Windows whose activations are held at once in an evaluation: about 2^18 tokens' worth, at least one.
int64_t EvaluationGroup(int64_t length);

// Windows whose logits are computed at once: about 64 MiB's worth, at least one.
int64_t LogitWindows(int64_t vocab_size, int64_t length);

// Samples that a block's final loss is measured on, the first ones: a batch of about 8,192 tokens, since going through
// all of them would cost a quarter of the training.
int64_t FinalLossSamples(int64_t samples, int64_t length);

// Weights that are sorted at once where a pattern's masks grow: few enough for their indices to be no matter, many
// enough to fill a device.
int64_t SortedAtOnce(bool cuda);

// Of a survey of blocks (Engine::SurveyBlocks): the first calibration windows, at least two and 4,096 tokens if there
// are as many; how many neighbours are pruned together, so that there are at most 32 groups; and how many groups that
// makes.
int64_t SurveyedWindows(int64_t samples, int64_t length);
int64_t SurveyedTogether(int64_t blocks);
int64_t SurveyedGroups(int64_t blocks);

}  // namespace besa::cost
