// A job and its tasks as a watch has told them so far: the events folded together. Pure.
#pragma once

#include <vector>

#include "absl/strings/string_view.h"
#include "besa/v1/prune_service.pb.h"

namespace besa::client {

class JobView {
 public:
  // Takes in one event, in the order of the watch.
  void Apply(const v1::WatchJobResponse& event);

  const v1::Job& job() const { return job_; }
  // In the order prepare, blocks, passthrough, evaluations.
  const std::vector<v1::Task>& tasks() const { return tasks_; }
  // Null if there is none of that name.
  const v1::Task* FindTask(absl::string_view name) const;

  // Blocks of the model; 0 while unknown.
  int blocks_total() const;
  // Blocks whose result is committed.
  int blocks_committed() const;
  // Share of zeros in the linears of the committed blocks; 0 if there are none.
  double sparsity() const;

 private:
  v1::Task& GetOrAddTask(const v1::Task& task);

  v1::Job job_;
  std::vector<v1::Task> tasks_;
};

}  // namespace besa::client
