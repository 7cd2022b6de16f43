#include "client/cli/change_lines.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cli/evaluation_text.h"
#include "client/cli/format.h"
#include "client/cli/job_text.h"
#include "client/cli/local_path.h"
#include "proto/time.h"

namespace besa::client {
namespace {

// Seconds of the attempt that won; of its stages if the times are not told.
absl::Duration TimeOf(const v1::Task& task) {
  for (const v1::Attempt& attempt : task.attempts()) {
    if (attempt.number() == task.result().attempt() && attempt.has_start_time() && attempt.has_end_time()) {
      return FromProto(attempt.end_time()) - FromProto(attempt.start_time());
    }
  }
  absl::Duration sum;
  for (const v1::StageSeconds& stage : task.result().stages()) sum += absl::Seconds(stage.seconds());
  return sum;
}

std::string DescribeCommit(const v1::Task& task, int number, int total) {
  std::vector<std::string> parts;
  std::string text = absl::StrCat(TaskLabel(task), " committed");
  if (task.kind() == v1::TASK_KIND_PRUNE) {
    absl::StrAppend(&text, ", ", number, " of ", total);
    const v1::BlockResult& block = task.result().block();
    if (const std::vector<float> loss = StepLosses(block); !loss.empty()) {
      parts.push_back(absl::StrCat("loss ", ShowLoss(loss.front()), " -> ", ShowLoss(loss.back())));
    }
    if (block.weights() > 0) {
      parts.push_back(absl::StrCat(
          "sparsity ", ShowSparsity(static_cast<double>(block.zeros()) / static_cast<double>(block.weights()))));
    }
  }
  for (const v1::Perplexity& measured : task.result().evaluation().texts()) {
    parts.push_back(DescribeMeasurement(measured));
  }
  parts.push_back(ShowDuration(TimeOf(task)));
  return absl::StrCat(text, ": ", absl::StrJoin(parts, ", "));
}

bool WentWrong(const v1::Attempt& attempt) {
  return attempt.outcome() == v1::ATTEMPT_OUTCOME_FAILED || attempt.outcome() == v1::ATTEMPT_OUTCOME_EXPIRED;
}

void AddAttempts(const v1::Task* before, const v1::Task& after, std::vector<ChangeLine>& lines) {
  for (int i = 0; i < after.attempts_size(); ++i) {
    const v1::Attempt& attempt = after.attempts(i);
    const bool known =
        before != nullptr && i < before->attempts_size() && before->attempts(i).outcome() == attempt.outcome();
    if (known || !WentWrong(attempt)) continue;
    lines.push_back({OneLine(absl::StrCat(TaskLabel(after), ": attempt ", attempt.number(), " on ", attempt.worker(),
                                          " ", absl::AsciiStrToLower(EnumWord(attempt.outcome())), " (",
                                          EnumFlag(attempt.reason()), "): ", attempt.message())),
                     true});
  }
}

int CommittedBlocks(const JobView& view) {
  int count = 0;
  for (const v1::Task& task : view.tasks()) {
    count += task.kind() == v1::TASK_KIND_PRUNE && task.state() == v1::TASK_STATE_COMMITTED ? 1 : 0;
  }
  return count;
}

}  // namespace

std::vector<ChangeLine> DescribeChanges(const JobView& before, const JobView& after) {
  std::vector<ChangeLine> lines;
  const v1::Job& job = after.job();
  const bool first = before.job().name().empty();
  if (first && !job.name().empty()) {
    lines.push_back({OneLine(absl::StrCat(job.name(), ": ", PlainUri(job.spec().model_uri()), " -> ",
                                          PlainUri(job.spec().output_uri()), ", sparsity ", job.spec().sparsity()))});
    lines.push_back({absl::StrCat("state: ", EnumWord(job.state()), ", ", after.blocks_committed(), " of ",
                                  after.blocks_total(), " blocks committed")});
  }
  if (!first && job.generation() > before.job().generation()) {
    lines.push_back({absl::StrCat("started again, generation ", job.generation())});
  }
  int number = CommittedBlocks(before);
  for (const v1::Task& task : after.tasks()) {
    const v1::Task* const known = before.FindTask(task.name());
    if (!first) AddAttempts(known, task, lines);
    const bool committed = task.state() == v1::TASK_STATE_COMMITTED;
    const bool was_committed = known != nullptr && known->state() == v1::TASK_STATE_COMMITTED;
    if (first || !committed || was_committed) continue;
    if (task.kind() == v1::TASK_KIND_PRUNE) ++number;
    lines.push_back({DescribeCommit(task, number, after.blocks_total())});
  }
  if (!first && job.state() != before.job().state()) lines.push_back({absl::StrCat("state: ", EnumWord(job.state()))});
  return lines;
}

std::string ProgressLine(const WatchState& state, absl::Time now) {
  const JobView& view = state.view;
  std::string line = absl::StrCat("block ", view.blocks_committed(), " of ", view.blocks_total());
  if (view.blocks_committed() > 0) absl::StrAppend(&line, ", sparsity ", ShowSparsity(view.sparsity()));
  if (const auto remaining = state.Remaining(now)) absl::StrAppend(&line, ", ETA ", ShowDuration(*remaining));
  for (const v1::Task& task : view.tasks()) {
    if (task.state() != v1::TASK_STATE_LEASED || !task.has_progress()) continue;
    const v1::TaskProgress& progress = task.progress();
    absl::StrAppend(&line, "; ", TaskLabel(task), " ", progress.stage());
    if (progress.steps() > 0) absl::StrAppend(&line, " ", progress.step(), "/", progress.steps());
    if (progress.loss() != 0) absl::StrAppend(&line, " loss ", ShowLoss(progress.loss()));
  }
  return line;
}

}  // namespace besa::client
