#include "cost/device_profile.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace besa::cost {
namespace {

// docs/benchmarks.md, "A block on a GPU", H200: a sustained product of 8192^3 in bfloat16.
constexpr double kHopperProducts = 657e12;
// What a step takes beyond its arithmetic: launches (a step of books-llama-28m is 0.34 ms in all), and for every weight
// what a step of one sample instead of two costs more, at the shapes of 7B and 70B models alike.
constexpr double kHopperStep = 0.3e-3;
constexpr double kHopperStepOfAWeight = 3.8e-12;
// Results, "write": 1.71 GB in 0.139 s.
constexpr double kHopperCopy = 12e9;

// How much of the rate of products the stages reach at two shapes of a block, beside kHopperStep.
struct Shares {
  double weights = 0.0;
  double forward = 0.0;
  double training = 0.0;
};
constexpr Shares kHopper7B = {.weights = 202'375'168, .forward = 0.914, .training = 0.874};
constexpr Shares kHopper70B = {.weights = 855'638'016, .forward = 0.936, .training = 0.942};

// docs/benchmarks.md, "A step of the training on a CPU": one thread of a Zen 4, float32, books-llama-28m with one
// sample and with four a step, as shares of the rate of the products alone.
constexpr double kCpuProducts = 100e9;
constexpr double kCpuShare = 1 / 1.19;

// Between the two shapes by the logarithm of their weights; beyond them as the nearer one.
Shares HopperAt(double weights) {
  const double way = std::log(weights / kHopper7B.weights) / std::log(kHopper70B.weights / kHopper7B.weights);
  const double t = std::clamp(way, 0.0, 1.0);
  return {.weights = weights,
          .forward = std::lerp(kHopper7B.forward, kHopper70B.forward, t),
          .training = std::lerp(kHopper7B.training, kHopper70B.training, t)};
}

DeviceProfile Hopper(std::string model, int64_t block_weights) {
  const auto weights = static_cast<double>(block_weights);
  const Shares shares = HopperAt(weights);
  const double step = kHopperStep + kHopperStepOfAWeight * weights;
  // Recovery's steps are those of the training, with Adam instead of masks and Prodigy.
  DeviceProfile profile{.model = std::move(model),
                        .cuda = true,
                        .forward = kHopperProducts * shares.forward,
                        .walk = kHopperProducts * shares.forward,
                        .training = kHopperProducts * shares.training,
                        .recovery = kHopperProducts * shares.training,
                        .evaluation = kHopperProducts * shares.forward,
                        .training_step_seconds = step,
                        .recovery_step_seconds = step,
                        .copy_bytes_per_second = kHopperCopy};
  profile.basis.push_back(absl::StrCat(profile.model,
                                       ": 657 TFLOP/s of matrix products and the shares of it that blocks of 7B and "
                                       "70B models reach, as measured on an H200 (docs/benchmarks.md)"));
  return profile;
}

}  // namespace

double SolvingFlops(const BlockShape& shape, int64_t samples, int64_t length) {
  double flops = 0.0;
  for (int group = 0; group < kGroups; ++group) {
    const auto rows = static_cast<double>(shape.GroupRows(Group(group)));
    const auto cols = static_cast<double>(shape.GroupCols(Group(group)));
    const double tokens = static_cast<double>(samples) * static_cast<double>(length);
    // Products of the inputs; Cholesky, inverse and Cholesky again (n^3/3 + 2n^3/3 + n^3/3, twice as many operations);
    // every column's error into those behind it.
    flops += 2 * tokens * cols * cols + 8.0 / 3 * cols * cols * cols + rows * cols * cols;
  }
  return flops;
}

std::optional<DeviceProfile> KnownDevice(absl::string_view kind_or_model, int64_t block_weights) {
  const std::string name = absl::AsciiStrToLower(kind_or_model);
  if (absl::StrContains(name, "h200")) return Hopper("NVIDIA H200", block_weights);
  if (absl::StrContains(name, "h100")) {
    DeviceProfile profile = Hopper("NVIDIA H100", block_weights);
    profile.basis.push_back("an H100 is taken to be as fast as an H200: the same arithmetic, slower memory");
    return profile;
  }
  if (name != "cpu") return std::nullopt;
  DeviceProfile profile{.model = "cpu", .cuda = false};
  profile.forward = profile.walk = profile.training = profile.recovery = profile.evaluation = kCpuProducts * kCpuShare;
  profile.basis.push_back(
      "cpu: one thread of an AMD EPYC of the Zen 4 generation, float32, 100 GFLOP/s of matrix products "
      "(docs/benchmarks.md); other processors differ by several times: once a job has run, the estimate goes by that");
  return profile;
}

}  // namespace besa::cost
