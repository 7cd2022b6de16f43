#include "client/cli/evaluation_text.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/cli/format.h"
#include "client/cli/local_path.h"

namespace besa::client {
namespace {

// Enough to tell texts apart; --json has it all.
constexpr size_t kHashDigits = 12;

std::string Fixed(double value) { return absl::StrCat(absl::SixDigits(value)); }

// What was measured, which does not depend on the model. The windows are the first of the text: nothing was drawn.
std::string MeasuredOn(const v1::Perplexity& measured) {
  return absl::StrCat("first ", ShowCount(measured.windows()), " windows of ", measured.sequence_length(), ", stride ",
                      measured.stride(), ": ", ShowCount(measured.tokens()), " tokens, ids ",
                      measured.text_sha256().substr(0, kHashDigits));
}

}  // namespace

std::string ShowFiles(const google::protobuf::RepeatedPtrField<std::string>& uris) {
  if (uris.empty()) return "";
  if (uris.size() == 1) return PlainUri(uris[0]);
  return absl::StrCat(PlainUri(uris[0]), " and ", uris.size() - 1, uris.size() == 2 ? " more file" : " more files");
}

std::string DescribeEvaluation(const v1::EvaluationSpec& text) {
  std::string described = absl::StrCat(OneLine(text.name()), text.name().empty() ? "" : ": ", ShowFiles(text.uris()),
                                       ", ", text.windows() > 0 ? ShowCount(text.windows()) : "all", " windows");
  if (text.sequence_length() > 0) absl::StrAppend(&described, " of ", text.sequence_length(), " tokens");
  if (text.stride() > 0) absl::StrAppend(&described, ", stride ", text.stride());
  std::vector<std::string> gates;
  if (text.max_perplexity() > 0) gates.push_back(absl::StrCat("at most ", Fixed(text.max_perplexity())));
  if (text.max_ratio() > 0) gates.push_back(absl::StrCat("at most ", Fixed(text.max_ratio()), " times dense"));
  if (!gates.empty()) absl::StrAppend(&described, ", gate: ", absl::StrJoin(gates, " and "));
  return described;
}

std::string DescribeMeasurement(const v1::Perplexity& measured) {
  std::string described = absl::StrCat("perplexity of ", OneLine(measured.name()), " ", Fixed(measured.perplexity()));
  if (measured.has_kl_divergence()) absl::StrAppend(&described, ", KL ", ShowLoss(measured.kl_divergence()));
  return absl::StrCat(described, " over ", ShowCount(measured.tokens()), " tokens");
}

std::string EvaluationTable(const v1::JobResult& result) {
  if (result.evaluations().empty()) return "";
  std::vector<std::vector<std::string>> rows = {{"PERPLEXITY OF", "DENSE", "PRUNED", "RATIO", "KL", "MEASURED ON"}};
  for (const v1::TextEvaluation& text : result.evaluations()) {
    const bool both = text.has_dense() && text.has_pruned();
    rows.push_back({OneLine(text.name()), text.has_dense() ? Fixed(text.dense().perplexity()) : "-",
                    text.has_pruned() ? Fixed(text.pruned().perplexity()) : "-",
                    both ? absl::StrFormat("%.4f", text.pruned().perplexity() / text.dense().perplexity()) : "-",
                    text.has_pruned() ? ShowLoss(text.pruned().kl_divergence()) : "-",
                    MeasuredOn(text.has_pruned() ? text.pruned() : text.dense())});
  }
  return FormatTable(rows);
}

}  // namespace besa::client
