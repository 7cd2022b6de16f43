// Rows of the scheduler to and from the tables. Called inside a transaction.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "server/state/rows.h"
#include "server/state/sql_connection.h"
#include "server/state/state_store.h"

namespace besa::server {

// A job as stored: `seq` is its key in the other tables.
struct StoredJob {
  int64_t seq = 0;
  JobRow row;
};

// A job with its tasks as stored.
struct StoredRows {
  int64_t seq = 0;
  JobRows rows;
};

// Asks for the job, with what is executed next.
absl::Status AskJob(SqlConnection& connection, absl::string_view job_id, std::optional<StoredJob>& job);
absl::Status JobNotFound(absl::string_view job_id);

// What to load of a job, in one round trip.
struct LoadOptions {
  // Nobody else changes the job before this transaction ends.
  bool lock = false;
  // Only this task, if there is one of that id; otherwise all, in the order of the plan.
  std::optional<absl::string_view> task_id;
};

// NOT_FOUND if there is no job of that id.
absl::StatusOr<StoredRows> LoadRows(SqlConnection& connection, absl::string_view job_id, const LoadOptions& options);

// Stores a job that is new. ALREADY_EXISTS if its request_id is there already.
absl::Status InsertJob(SqlConnection& connection, const CreateJobRow& create);
// Stores what a step changed; of events only the last `keep_events` of the job are kept. All of it goes out with the
// end of the transaction, whose error is for ExplainReservation.
absl::Status SaveChanges(SqlConnection& connection, int64_t seq, const JobChanges& changes, int64_t keep_events);

// OK if `status` is, FAILED_PRECONDITION with reason OUTPUT_RESERVED if it is a clash of reserved outputs.
absl::Status ExplainReservation(const JobRow& job, absl::Status status);

absl::Status SaveAudit(SqlConnection& connection, const std::vector<AuditRow>& audit);

// All leases of that worker, or without one all live leases of everybody.
absl::StatusOr<std::vector<LeaseRef>> LoadLeases(SqlConnection& connection, std::optional<absl::string_view> worker);

}  // namespace besa::server
