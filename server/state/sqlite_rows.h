// Rows of the scheduler to and from SQLite's tables. Called inside a transaction.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "server/state/rows.h"
#include "server/state/sqlite_connection.h"
#include "server/state/state_store.h"

namespace besa::server {

// A job as stored: `seq` is its key in the other tables.
struct StoredJob {
  int64_t seq = 0;
  JobRow row;
};

// NOT_FOUND if there is none of that id.
absl::StatusOr<StoredJob> LoadJob(SqliteConnection& connection, absl::string_view job_id);
// All tasks in the order of the plan, or only the one of that id.
absl::StatusOr<std::vector<TaskRow>> LoadTasks(SqliteConnection& connection, int64_t seq,
                                               std::optional<absl::string_view> task_id);

// Stores a job that is new and returns its seq.
absl::StatusOr<int64_t> InsertJob(SqliteConnection& connection, const CreateJobRow& create);
// Stores what a step changed; of events only the last `keep_events` of the job are kept.
absl::Status SaveChanges(SqliteConnection& connection, int64_t seq, const JobChanges& changes, int64_t keep_events);

// OK if `status` is, FAILED_PRECONDITION with reason OUTPUT_RESERVED if it is a clash of reserved outputs.
absl::Status ExplainReservation(const SqliteConnection& connection, const JobRow& job, absl::Status status);

// All leases of that worker, or without one all live leases of everybody.
absl::StatusOr<std::vector<LeaseRef>> LoadLeases(SqliteConnection& connection, std::optional<absl::string_view> worker);

}  // namespace besa::server
