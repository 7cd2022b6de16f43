#include "client/cli/watch_command.h"

#include <memory>
#include <thread>

#include "absl/strings/str_cat.h"
#include "client/cli/exit_code.h"
#include "client/cli/interrupt.h"
#include "client/cli/job_text.h"
#include "client/cli/watch_display.h"

namespace besa::client {
namespace {

std::unique_ptr<WatchDisplay> MakeDisplay(const Context& context) {
  const Surroundings& surroundings = context.surroundings;
  if (context.json) return MakeJsonDisplay(context.out(), context.err());
  if (surroundings.terminal) return MakeBarsDisplay(context.out(), surroundings.width, *surroundings.clock);
  return MakeLinesDisplay(context.out(), *surroundings.clock);
}

int ShowEnd(const Context& context, const v1::Job& job) {
  if (job.state() == v1::JOB_STATE_SUCCEEDED) {
    if (!context.json) context.out() << "\n" << DescribeResult(job) << std::flush;
  } else if (job.state() == v1::JOB_STATE_FAILED) {
    context.err() << "besa: " << DescribeFailure(job)
                  << "committed blocks are kept; to go on: " << context.Suggest(absl::StrCat("jobs retry ", job.name()))
                  << "\n";
  } else {
    context.err() << "besa: " << job.name() << " was cancelled\n";
  }
  return ExitCodeOf(job.state());
}

}  // namespace

int WatchJob(const Context& context, absl::string_view name, absl::Duration give_up_after) {
  const auto display = MakeDisplay(context);
  const Interrupt interrupt;
  absl::StatusOr<v1::Job> job;
  {
    // The time goes on while no event comes, so that nothing looks hung.
    const std::jthread ticker([&display](std::stop_token stop) {
      while (Sleeper::Real().Sleep(absl::Milliseconds(500), stop)) display->Tick();
    });
    job = context.Connect()
              .Watch(name, {.give_up_after = give_up_after})
              ->Run({.on_event = [&](const v1::WatchJobResponse& event) { display->OnEvent(event); },
                     .on_outage = [&](const Outage& outage) { display->OnOutage(outage); }},
                    interrupt.token());
  }
  if (job.ok()) return ShowEnd(context, *job);
  if (interrupt.token().stop_requested()) {
    context.err() << "\nbesa: detached; " << name << " goes on\n"
                  << "  watch it again: " << context.Suggest(absl::StrCat("jobs watch ", name)) << "\n"
                  << "  cancel it:      " << context.Suggest(absl::StrCat("jobs cancel ", name)) << "\n";
    return kExitInterrupted;
  }
  return context.Fail(job.status());
}

}  // namespace besa::client
