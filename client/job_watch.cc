#include "client/job_watch.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "grpcpp/client_context.h"
#include "proto/rpc_status.h"

namespace besa::client {
namespace {

// A silent stream that held for this long did reach a coordinator: longer than any attempt to connect lasts.
constexpr absl::Duration kSettled = absl::Seconds(30);

// Whether another stream may fare better. A coordinator that shuts down cancels its streams.
bool IsWorthResuming(const absl::Status& status) {
  return status.ok() || IsTransient(status) || status.code() == absl::StatusCode::kCancelled;
}

}  // namespace

JobWatch::JobWatch(std::string name, Options options, Environment environment)
    : name_(std::move(name)),
      options_(options),
      environment_(std::move(environment)),
      cursor_(options.resume_version) {}

absl::StatusOr<v1::Job> JobWatch::Run(const Handler& handler, std::stop_token stop) {
  int64_t resume_version = cursor_.version();
  int failures = 0;
  std::optional<absl::Duration> outage_began;
  while (true) {
    const absl::Duration began = environment_.clock->Steady();
    bool received = false;
    const absl::Status status = ReadStream(resume_version, handler, stop, &received);
    if (cursor_.ended()) return cursor_.job();
    if (stop.stop_requested()) return absl::CancelledError(absl::StrCat("stopped watching ", name_));
    if (!IsWorthResuming(status)) return status;

    const absl::Duration now = environment_.clock->Steady();
    if (received || now - began >= kSettled) {
      outage_began.reset();
      failures = 0;
    }
    if (!outage_began) outage_began = now;
    ++failures;
    const absl::Duration lasted = now - *outage_began;
    if (lasted >= options_.give_up_after) {
      return absl::UnavailableError(absl::StrCat("no coordinator for ", absl::FormatDuration(lasted),
                                                 " while watching ", name_, ": ", status.message()));
    }
    const absl::Duration wait = environment_.retry.backoff.Delay(failures, UnitInterval(environment_.random()));
    if (handler.on_outage) handler.on_outage({.error = status, .lasted = lasted, .next_attempt = wait});
    if (!environment_.sleeper->Sleep(wait, stop)) {
      return absl::CancelledError(absl::StrCat("stopped watching ", name_));
    }
    environment_.reconnect();
    // A stream that ended well without a final state has nothing to say after our version, which happens when the job
    // had ended before: ask for a snapshot, which tells how.
    resume_version = status.ok() ? 0 : cursor_.version();
  }
}

absl::Status JobWatch::ReadStream(int64_t resume_version, const Handler& handler, std::stop_token stop,
                                  bool* received) {
  grpc::ClientContext context;
  v1::WatchJobRequest request;
  request.set_name(name_);
  request.set_resume_version(resume_version);
  const auto reader = environment_.stub->WatchJob(&context, request);
  const std::stop_callback cancel(stop, [&context] { context.TryCancel(); });
  v1::WatchJobResponse message;
  while (reader->Read(&message)) {
    *received = true;
    if (cursor_.Accept(message)) handler.on_event(message);
  }
  return FromGrpc(reader->Finish());
}

}  // namespace besa::client
