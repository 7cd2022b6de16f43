#include "client/cli/watch_display.h"

#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/cli/change_lines.h"
#include "client/cli/format.h"
#include "client/cli/render_bars.h"
#include "client/cli/watch_state.h"
#include "proto/json.h"

namespace besa::client {
namespace {

constexpr absl::Duration kWaitingLasts = absl::Seconds(3);

std::string OutageLine(const Outage& outage) {
  return OneLine(
      absl::StrCat("connection to the coordinator lost, trying again: ", std::string(outage.error.message())));
}

class BarsDisplay : public WatchDisplay {
 public:
  BarsDisplay(std::ostream& out, std::function<int()> width, const Clock& clock)
      : out_(out), width_(std::move(width)), clock_(clock) {}

  void OnEvent(const v1::WatchJobResponse& event) override {
    const std::lock_guard lock(mutex_);
    const JobView before = state_.view;
    state_.Apply(event, clock_.Now());
    std::string above;
    for (const ChangeLine& line : DescribeChanges(before, state_.view)) {
      if (line.attention) absl::StrAppend(&above, line.text, "\n");
    }
    Draw(above);
  }

  void OnOutage(const Outage& outage) override {
    const std::lock_guard lock(mutex_);
    state_.outage = outage;
    Draw("");
  }

  void Tick() override {
    const std::lock_guard lock(mutex_);
    if (!state_.view.job().name().empty() || state_.outage) Draw("");
  }

 private:
  // Replaces the picture drawn last by `above` and the picture now, in one write against flicker.
  void Draw(const std::string& above) {
    std::string frame;
    if (drawn_ > 0) absl::StrAppend(&frame, "\x1b[", drawn_, "A");
    absl::StrAppend(&frame, "\r\x1b[J", above);
    const auto lines = RenderBars(state_, clock_.Now(), width_() - 1);
    for (const std::string& line : lines) absl::StrAppend(&frame, line, "\n");
    drawn_ = lines.size();
    out_ << frame << std::flush;
  }

  std::ostream& out_;
  const std::function<int()> width_;
  const Clock& clock_;
  std::mutex mutex_;
  WatchState state_;
  size_t drawn_ = 0;
};

class LinesDisplay : public WatchDisplay {
 public:
  LinesDisplay(std::ostream& out, const Clock& clock, absl::Duration progress_interval)
      : out_(out), clock_(clock), progress_interval_(progress_interval) {}

  void OnEvent(const v1::WatchJobResponse& event) override {
    const std::lock_guard lock(mutex_);
    if (state_.outage) out_ << "connected again\n";
    const JobView before = state_.view;
    state_.Apply(event, clock_.Now());
    for (const ChangeLine& line : DescribeChanges(before, state_.view)) out_ << line.text << "\n";
    if (event.has_progress() && clock_.Steady() - last_progress_ >= progress_interval_) {
      last_progress_ = clock_.Steady();
      out_ << ProgressLine(state_, clock_.Now()) << "\n";
    }
    TellWaiting();
    out_ << std::flush;
  }

  void Tick() override {
    const std::lock_guard lock(mutex_);
    TellWaiting();
  }

  void OnOutage(const Outage& outage) override {
    const std::lock_guard lock(mutex_);
    if (!state_.outage) out_ << OutageLine(outage) << "\n" << std::flush;
    state_.outage = outage;
  }

 private:
  void TellWaiting() {
    const std::string waiting = WaitingReason(state_.view);
    if (waiting != waiting_) {
      waiting_ = waiting;
      waiting_since_ = clock_.Steady();
      waiting_told_ = waiting.empty();
    }
    if (waiting_told_ || clock_.Steady() - waiting_since_ < kWaitingLasts) return;
    waiting_told_ = true;
    out_ << "waiting: " << waiting << "\n" << std::flush;
  }

  std::ostream& out_;
  const Clock& clock_;
  const absl::Duration progress_interval_;
  std::mutex mutex_;
  WatchState state_;
  absl::Duration last_progress_ = -absl::InfiniteDuration();
  std::string waiting_;
  absl::Duration waiting_since_;
  bool waiting_told_ = true;
};

class JsonDisplay : public WatchDisplay {
 public:
  JsonDisplay(std::ostream& out, std::ostream& err) : out_(out), err_(err) {}

  void OnEvent(const v1::WatchJobResponse& event) override {
    lost_ = false;
    out_ << ToJson(event).value() << "\n" << std::flush;
  }

  void OnOutage(const Outage& outage) override {
    if (!lost_) err_ << OutageLine(outage) << "\n" << std::flush;
    lost_ = true;
  }

 private:
  std::ostream& out_;
  std::ostream& err_;
  bool lost_ = false;
};

}  // namespace

std::unique_ptr<WatchDisplay> MakeBarsDisplay(std::ostream& out, std::function<int()> width, const Clock& clock) {
  return std::make_unique<BarsDisplay>(out, std::move(width), clock);
}

std::unique_ptr<WatchDisplay> MakeLinesDisplay(std::ostream& out, const Clock& clock,
                                               absl::Duration progress_interval) {
  return std::make_unique<LinesDisplay>(out, clock, progress_interval);
}

std::unique_ptr<WatchDisplay> MakeJsonDisplay(std::ostream& out, std::ostream& err) {
  return std::make_unique<JsonDisplay>(out, err);
}

}  // namespace besa::client
