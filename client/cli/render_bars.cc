#include "client/cli/render_bars.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "client/cli/format.h"
#include "proto/time.h"

namespace besa::client {
namespace {

// More running tasks than this are counted, not shown: the picture must fit a screen.
constexpr int kMostTasks = 12;

std::string Bar(int64_t done, int64_t total, int width) {
  const auto filled = total <= 0 ? 0 : static_cast<int>(std::clamp(done * width / total, int64_t{0}, int64_t{width}));
  return absl::StrCat("[", std::string(filled, '#'), std::string(width - filled, '-'), "]");
}

std::string BlocksLine(const WatchState& state, absl::Time now, int bar) {
  const JobView& view = state.view;
  std::string line = absl::StrCat(Pad("block", 28), Bar(view.blocks_committed(), view.blocks_total(), bar), " ",
                                  view.blocks_committed(), " of ", view.blocks_total());
  if (view.blocks_committed() > 0) absl::StrAppend(&line, "  sparsity ", ShowSparsity(view.sparsity()));
  if (const auto remaining = state.Remaining(now)) absl::StrAppend(&line, "  ETA ", ShowDuration(*remaining));
  return line;
}

std::string TaskLine(const v1::Task& task, int bar) {
  const v1::TaskProgress& progress = task.progress();
  std::string line =
      absl::StrCat(Pad(TaskLabel(task), 16), Pad(progress.stage(), 12), Bar(progress.step(), progress.steps(), bar));
  if (progress.steps() > 0) absl::StrAppend(&line, " ", progress.step(), "/", progress.steps());
  if (progress.loss() != 0) absl::StrAppend(&line, "  loss ", ShowLoss(progress.loss()));
  if (progress.sparsity() != 0) absl::StrAppend(&line, "  sparsity ", ShowSparsity(progress.sparsity()));
  return line;
}

std::string OutageLine(const WatchState& state) {
  return OneLine(absl::StrCat("no coordinator for ", ShowDuration(state.outage->lasted),
                              ", still trying: ", std::string(state.outage->error.message())));
}

}  // namespace

std::vector<std::string> RenderBars(const WatchState& state, absl::Time now, int width) {
  const v1::Job& job = state.view.job();
  const int bar = std::clamp(width - 72, 10, 40);
  std::vector<std::string> lines;
  if (job.name().empty()) {
    if (state.outage) lines.push_back(Shorten(OutageLine(state), width));
    return lines;
  }
  std::string first = job.name();
  if (!job.spec().display_name().empty()) absl::StrAppend(&first, " (", OneLine(job.spec().display_name()), ")");
  absl::StrAppend(&first, "  ", EnumWord(job.state()));
  if (job.has_create_time()) {
    const absl::Time until = job.has_end_time() ? FromProto(job.end_time()) : now;
    absl::StrAppend(&first, "  ", ShowDuration(until - FromProto(job.create_time())));
  }
  lines.push_back(first);
  lines.push_back(BlocksLine(state, now, bar));

  int running = 0;
  for (const v1::Task& task : state.view.tasks()) {
    if (task.state() != v1::TASK_STATE_LEASED) continue;
    if (++running <= kMostTasks) lines.push_back(TaskLine(task, bar));
  }
  if (running > kMostTasks) lines.push_back(absl::StrCat("and ", running - kMostTasks, " more running"));
  if (const std::string waiting = WaitingReason(state.view); !waiting.empty())
    lines.push_back(absl::StrCat("waiting: ", waiting));
  if (state.outage) lines.push_back(OutageLine(state));
  for (std::string& line : lines) line = Shorten(line, width);
  return lines;
}

}  // namespace besa::client
