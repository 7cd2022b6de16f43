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

// `lock`: nobody else changes the job before this transaction ends. NOT_FOUND if there is none of that id.
absl::StatusOr<StoredJob> LoadJob(SqlConnection& connection, absl::string_view job_id, bool lock);
// All tasks in the order of the plan, or only the one of that id.
absl::StatusOr<std::vector<TaskRow>> LoadTasks(SqlConnection& connection, int64_t seq,
                                               std::optional<absl::string_view> task_id);

// Stores a job that is new. ALREADY_EXISTS if its request_id is there already.
absl::Status InsertJob(SqlConnection& connection, const CreateJobRow& create);
// Stores what a step changed; of events only the last `keep_events` of the job are kept.
absl::Status SaveChanges(SqlConnection& connection, int64_t seq, const JobChanges& changes, int64_t keep_events);

// OK if `status` is, FAILED_PRECONDITION with reason OUTPUT_RESERVED if it is a clash of reserved outputs.
absl::Status ExplainReservation(const JobRow& job, absl::Status status);

absl::Status SaveAudit(SqlConnection& connection, const std::vector<AuditRow>& audit);

// All leases of that worker, or without one all live leases of everybody.
absl::StatusOr<std::vector<LeaseRef>> LoadLeases(SqlConnection& connection, std::optional<absl::string_view> worker);

}  // namespace besa::server
