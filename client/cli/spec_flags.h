// The flags of `besa prune`, `besa validate` and `besa estimate`, and the request they make.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "besa/v1/prune_service.pb.h"

namespace CLI {
class App;
}

namespace besa::client {

// Zero and empty mean: left to the service.
struct SpecFlags {
  std::string model;
  std::string output;
  double sparsity = 0;
  std::vector<std::string> calibration;
  int samples = 0;
  int sequence_length = 0;
  // [NAME=]URI.
  std::vector<std::string> evaluate;
  // Of the evaluations: VALUE for all, NAME=VALUE for one of them.
  std::vector<std::string> evaluate_windows;
  std::vector<std::string> evaluate_sequence_length;
  std::vector<std::string> evaluate_stride;
  std::vector<std::string> gate_perplexity;
  std::vector<std::string> gate_ratio;
  std::string method;
  std::string preset;
  std::string granularity;
  std::string schedule;
  std::string activations;
  std::string reference;
  std::string compute;
  int batch_size = 0;
  int epochs = 0;
  double d_coef = 0;
  double prior_sigma = 0;
  std::string pattern;
  int sparsegpt_block_size = 0;
  double sparsegpt_damping = 0;
  std::string quality;
  int recovery_epochs = 0;
  double recovery_learning_rate = 0;
  int recovery_batch_size = 0;
  std::string recovery_masks;
  std::optional<double> recovery_decay;
  std::optional<int> recovery_dense_every;
  std::string block_allocation;
  std::string loss;
  uint64_t seed = 0;
  std::string name;
  int priority = 0;
  std::string owner;
  // KEY=VALUE.
  std::vector<std::string> labels;
  absl::Duration time_limit;
  std::string completion_hook;
  std::string request_id;
};

// Declares the flags on `command`. `flags` must outlive its parsing.
void AddSpecFlags(CLI::App& command, SpecFlags& flags);

// The request. Relative paths are taken from `directory`. INVALID_ARGUMENT for a NAME=VALUE of a NAME that no
// --evaluate gave.
absl::StatusOr<v1::CreateJobRequest> MakeCreateRequest(const SpecFlags& flags, absl::string_view directory);

}  // namespace besa::client
