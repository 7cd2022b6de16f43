#include "client/cli/error_text.h"

#include <map>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/cli/format.h"
#include "client/prune_client.h"
#include "nlohmann/json.hpp"
#include "storage/base/error_info.h"

namespace besa::client {
namespace {

// "evaluations.uris" of "evaluations[1].uris".
std::string WithoutIndices(absl::string_view field) {
  std::string plain;
  bool inside = false;
  for (const char c : field) {
    inside = inside || c == '[';
    if (!inside) plain.push_back(c);
    inside = inside && c != ']';
  }
  return plain;
}

// The flag of `besa prune` that sets a field of the spec; empty if none does.
absl::string_view FlagOf(absl::string_view field) {
  static constexpr std::pair<absl::string_view, absl::string_view> kFlags[] = {
      {"model_uri", "--model"},
      {"output_uri", "--output"},
      {"sparsity", "--sparsity"},
      {"calibration.uris", "--calibration"},
      {"calibration.samples", "--samples"},
      {"calibration.sequence_length", "--sequence-length"},
      {"evaluations.uris", "--evaluate"},
      {"evaluations.name", "--evaluate"},
      {"evaluations.windows", "--evaluate-windows"},
      {"evaluations.sequence_length", "--evaluate-sequence-length"},
      {"evaluations.stride", "--evaluate-stride"},
      {"evaluations.max_perplexity", "--gate-perplexity"},
      {"evaluations.max_ratio", "--gate-ratio"},
      {"method.method", "--method"},
      {"method.preset", "--preset"},
      {"method.granularity", "--granularity"},
      {"method.pattern", "--pattern"},
      {"method.sparsegpt_block_size", "--sparsegpt-block-size"},
      {"method.sparsegpt_damping", "--sparsegpt-damping"},
      {"method.schedule", "--schedule"},
      {"activations", "--activations"},
      {"method.reference", "--reference"},
      {"method.compute_type", "--compute"},
      {"method.batch_size", "--batch-size"},
      {"method.epochs", "--epochs"},
      {"method.d_coef", "--d-coef"},
      {"method.prior_sigma", "--prior-sigma"},
      {"method.quality", "--quality"},
      {"method.recovery.epochs", "--recovery-epochs"},
      {"method.recovery.learning_rate", "--recovery-learning-rate"},
      {"method.recovery.batch_size", "--recovery-batch-size"},
      {"method.recovery.masks", "--recovery-masks"},
      {"method.recovery.decay", "--recovery-decay"},
      {"method.recovery.dense_every", "--recovery-dense-every"},
      {"method.block_allocation", "--block-allocation"},
      {"method.loss", "--loss"},
      {"request_id", "--request-id"},
  };
  const std::string plain = WithoutIndices(field);
  for (const auto& [path, flag] : kFlags) {
    if (plain == path || absl::EndsWith(plain, absl::StrCat(".", path))) return flag;
  }
  return "";
}

std::string Fact(const ErrorInfo& info, const std::string& name) {
  const auto found = info.metadata.find(name);
  return found == info.metadata.end() ? "" : found->second;
}

}  // namespace

std::string DescribeError(const absl::Status& status) {
  std::string text(status.message());
  if (absl::IsNotFound(status) && !absl::StrContains(text, "not found")) text = absl::StrCat("not found: ", text);
  if (const auto info = GetErrorInfo(status)) {
    if (info->reason == kServerUnreachable) {
      absl::StrAppend(&text,
                      "; start one with `besa-coordinator`, or name another with --server HOST:PORT or BESA_SERVER");
    }
    // The message usually says it all; what it leaves out follows.
    for (const char* name : {"field", "value", "expected"}) {
      const std::string fact = Fact(*info, name);
      if (!fact.empty() && !absl::StrContains(text, fact)) absl::StrAppend(&text, "; ", name, ": ", fact);
    }
    const absl::string_view flag = FlagOf(Fact(*info, "field"));
    if (!flag.empty()) absl::StrAppend(&text, " (", flag, ")");
  }
  if (text.empty()) text = absl::StatusCodeToString(status.code());
  return OneLine(text);
}

std::string ErrorJson(const absl::Status& status) {
  nlohmann::ordered_json error;
  error["code"] = absl::StatusCodeToString(status.code());
  error["message"] = std::string(status.message());
  if (const auto info = GetErrorInfo(status)) {
    error["reason"] = info->reason;
    error["metadata"] = info->metadata;
  }
  return nlohmann::ordered_json{{"error", error}}.dump(-1, ' ', false,
                                                       nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace besa::client
