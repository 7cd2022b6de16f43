// The coordinator's public API as plain function calls: deadlines, repeats and pages are taken care of.
//
//   PruneClient client({.target = "127.0.0.1:7600"});
//   ASSIGN_OR_RETURN(v1::Job job, client.CreateJob(request));
//   ASSIGN_OR_RETURN(job, client.Watch(job.name())->Run(handler));
//
// Errors are those that besa/v1/prune_service.proto documents, with besa::ErrorInfo (field, value, expected) attached
// where the server sent one. If no server answered they have reason SERVER_UNREACHABLE and the fact "target".
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "besa/v1/fleet_service.pb.h"
#include "besa/v1/prune_service.pb.h"
#include "client/job_watch.h"
#include "client/retry.h"
#include "storage/base/clock.h"
#include "storage/base/random.h"
#include "storage/base/sleeper.h"

namespace besa::client {

// ErrorInfo.reason of errors that came from no server.
inline constexpr char kServerUnreachable[] = "SERVER_UNREACHABLE";

// Thread-safe. Moves, but does not copy.
class PruneClient {
 public:
  struct Options {
    // The coordinator, as gRPC names targets: "host:port", "dns:///...", "unix:...".
    std::string target = "127.0.0.1:7600";
    // The longest wait for the answer to one attempt of one call. Watches have none.
    absl::Duration deadline = absl::Seconds(10);
    // How often calls are repeated that may be; also the pace at which a watch tries again.
    RetryPolicy retry;
    // The outside world. Must outlive the client and its watches.
    const Clock* clock = &Clock::Real();
    Sleeper* sleeper = &Sleeper::Real();
    RandomBits random = SystemRandom();
  };

  // Connects on the first call.
  explicit PruneClient(Options options);
  PruneClient(PruneClient&&) noexcept;
  PruneClient& operator=(PruneClient&&) noexcept;
  ~PruneClient();

  // Creates a job. An empty request_id is filled in, which makes the call safe to repeat.
  absl::StatusOr<v1::Job> CreateJob(v1::CreateJobRequest request);
  // What the job would take.
  absl::StatusOr<v1::EstimateJobResponse> EstimateJob(const v1::EstimateJobRequest& request);
  absl::StatusOr<v1::Job> GetJob(absl::string_view name);
  // Jobs that match `filter`, newest first, at most `limit` (0: all), gathered over the pages. next_page_token is set
  // if there are more.
  absl::StatusOr<v1::ListJobsResponse> ListJobs(absl::string_view filter, int limit);
  absl::StatusOr<v1::Job> CancelJob(absl::string_view name);
  // Not repeated: a retry whose answer was lost may have happened. Look at the job's generation before trying again.
  absl::StatusOr<v1::Job> RetryJob(absl::string_view name, bool ignore_gates = false);
  absl::Status DeleteJob(absl::string_view name);
  // All tasks of a job, gathered over the pages.
  absl::StatusOr<v1::ListTasksResponse> ListTasks(absl::string_view job);
  absl::StatusOr<v1::Task> GetTask(absl::string_view name);
  // All workers, gathered over the pages.
  absl::StatusOr<v1::ListWorkersResponse> ListWorkers();
  // Whether the worker gets new tasks.
  absl::StatusOr<v1::Worker> DrainWorker(absl::string_view name);
  absl::StatusOr<v1::Worker> UndrainWorker(absl::string_view name);
  // What was asked for of `resource`, or of everything if that is empty: newest first, at most `limit` entries.
  absl::StatusOr<v1::ListAuditEntriesResponse> ListAuditEntries(absl::string_view resource, int limit);

  // A watch of job `name` that survives restarts of the coordinator. It may outlive the client.
  std::unique_ptr<JobWatch> Watch(absl::string_view name, JobWatch::Options options = {});

  // Options.target.
  const std::string& target() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace besa::client
