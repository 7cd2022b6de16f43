#include "client/cli/estimate_text.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cli/format.h"
#include "client/cli/job_text.h"
#include "storage/base/format_bytes.h"

namespace besa::client {
namespace {

std::string Show(double seconds) { return ShowDuration(absl::Seconds(seconds)); }

std::string Plural(int64_t count, const char* one, const char* many) {
  return absl::StrCat(ShowCount(count), " ", count == 1 ? one : many);
}

std::string BytesOrNothing(int64_t bytes) { return bytes == 0 ? "" : FormatBytes(bytes); }

std::string StageTable(const v1::EstimateJobResponse& estimate) {
  std::vector<std::vector<std::string>> rows = {{"STAGE", "WORKER TIME", "READ", "WRITTEN", ""}};
  for (const v1::StageEstimate& stage : estimate.stages()) {
    rows.push_back({stage.stage(), Show(stage.seconds()), BytesOrNothing(stage.bytes_read()),
                    BytesOrNothing(stage.bytes_written()), stage.beside() ? "beside the device's work" : ""});
  }
  return FormatTable(rows);
}

std::string MemoryTable(const v1::EstimateJobResponse& estimate) {
  std::vector<std::vector<std::string>> rows = {{"MEMORY OF A BLOCK", ""}};
  for (const v1::MemoryPart& part : estimate.memory()) rows.push_back({part.name(), FormatBytes(part.bytes())});
  return FormatTable(rows);
}

}  // namespace

std::string DescribeEstimate(const v1::EstimateJobResponse& estimate) {
  v1::Job job;
  *job.mutable_spec() = estimate.spec();
  *job.mutable_model() = estimate.model();
  std::vector<std::pair<std::string, std::string>> facts;
  facts.emplace_back(
      "time", absl::StrCat(Show(estimate.seconds()), " with ", Plural(estimate.workers(), "worker", "workers"), " on ",
                           OneLine(estimate.device())));
  facts.emplace_back("pruning", absl::StrCat(Show(estimate.prune_seconds()), " from the first block to the last"));
  std::string activations = EnumFlag(estimate.activations());
  if (estimate.activation_bytes() > 0) {
    absl::StrAppend(&activations, ", ", FormatBytes(estimate.activation_bytes()), " of them moved");
  }
  if (estimate.repeated_forwards() > 0) {
    absl::StrAppendFormat(&activations, ", %.4g walks through a block repeated", estimate.repeated_forwards());
  }
  facts.emplace_back("activations", activations);
  facts.emplace_back("block memory", FormatBytes(estimate.block_memory_bytes()));
  if (estimate.evaluation_memory_bytes() > 0) {
    facts.emplace_back("evaluation memory", FormatBytes(estimate.evaluation_memory_bytes()));
  }
  facts.emplace_back("read", FormatBytes(estimate.bytes_read()));
  facts.emplace_back("written", FormatBytes(estimate.bytes_written()));
  std::string text = absl::StrCat(DescribeJob(job), "\n", FormatFacts(facts), "\n", StageTable(estimate), "\n",
                                  MemoryTable(estimate), "\nThese figures rest on\n");
  for (const std::string& sentence : estimate.basis()) absl::StrAppend(&text, "- ", OneLine(sentence), "\n");
  return text;
}

}  // namespace besa::client
