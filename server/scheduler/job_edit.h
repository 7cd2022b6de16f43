// A step of the scheduler: a pure function (rows of a job, event, context) -> Decision.
//
// Every step has the same shape. It loads the rows into a JobEdit, changes jobs and tasks through it, and ends with
// Finish, which brings everything that follows from those changes up to date: tasks that became free, the state of the
// job (job_state.h), its completion hook (hook_delivery.h), progress and result (progress.h), pending_reason; then
// gives every change its version and event.
//
//   Decision<Done> OnSomething(JobRows rows, const Something& event, const Context& context) {
//     JobEdit edit(std::move(rows), context);
//     edit.mutable_task(3)...
//     return {Done{}, edit.Finish()};
//   }
#pragma once

#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "besa/v1/job.pb.h"

#include "server/scheduler/context.h"
#include "server/state/rows.h"

namespace besa::server {

class JobEdit {
 public:
  // `context` must outlive the edit.
  JobEdit(JobRows rows, const Context& context);

  const Context& context() const { return context_; }
  const JobRows& rows() const { return rows_; }
  const JobRow& job() const { return rows_.job; }
  const std::vector<TaskRow>& tasks() const { return rows_.tasks; }
  std::optional<size_t> FindTask(absl::string_view task_id) const;

  // Marks the row as changed.
  JobRow& mutable_job();
  TaskRow& mutable_task(size_t index);
  // Changes a lease in a way that nobody is told of: beat, request id.
  LeaseRow& mutable_lease(size_t index);

  // Nobody needs this folder any more once `after` has passed.
  void AddGarbage(std::string uri, absl::Duration after);
  // The folder is needed again.
  void Rescue(std::string uri) { rescued_.push_back(std::move(uri)); }
  // Forgets the job.
  void Erase() { erase_ = true; }

  // Call once, last.
  JobChanges Finish();

 private:
  void Unblock();
  void AddEvents(JobChanges& changes);

  const Context& context_;
  JobRows rows_;
  v1::Job before_;
  bool job_changed_ = false;
  std::set<size_t> tasks_changed_;
  std::set<size_t> leases_changed_;
  std::vector<GarbageRow> garbage_;
  std::vector<std::string> rescued_;
  bool erase_ = false;
};

}  // namespace besa::server
