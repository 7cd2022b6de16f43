// A task runner that is a group of ranks: processes with a device each, which prune every block together. To whoever
// holds it, and so to the coordinator, it is one worker with one lease.
//
//   (nothing)  -- a task, or Start --> FORMING -- all ranks are ready --> IDLE <--> RUNNING
//       ^                                 |                                 |          |
//       +------ every rank is killed -----+--- a rank ended while idle -----+----------+
//                                             a rank ended, failed or fell silent; the task was stopped
//
// Pruning goes to all ranks, everything else to rank 0. Of as many blocks as there are ranks each prunes one, if they
// find that faster (Engine::ChooseForGroup); else they prune one after the other together. Whatever one rank does not
// survive in the middle of a block, no other can either: they wait for it. So the group is killed as a whole and formed
// anew, from fresh processes, for the next task. Of several blocks all are lost, also those that are done: done again
// together, they come to the same bytes, while one that is left over would be pruned by all ranks.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "besa/v1/fleet_service.pb.h"
#include "besa/v1/rank.pb.h"
#include "storage/base/clock.h"
#include "worker/agent/task_runner.h"
#include "worker/ranks/rank.h"

namespace besa::worker {

struct RankTaskRunnerOptions {
  int ranks = 1;
  // A rank that has said nothing for this long while it should is given up.
  absl::Duration silence = absl::Seconds(30);
  // A group that is not ready after this long, likewise. Before a rank's first word nothing else counts: loading the
  // program may take its time.
  absl::Duration forming = absl::Minutes(5);
  // A rank that fails is often not the one that is to blame: this long its fellows may take to show that they are gone.
  absl::Duration second_look = absl::Seconds(2);
};

class RankTaskRunner final : public TaskRunner {
 public:
  // Starts one rank of a new group. `group` is a fresh name for each group.
  using StartRank = std::function<absl::StatusOr<std::unique_ptr<Rank>>(int rank, int64_t group)>;

  // Forms a group. Errors: what a rank failed with; INTERNAL with reason RANK_LOST. `clock` must outlive the runner.
  static absl::StatusOr<std::unique_ptr<RankTaskRunner>> Start(const RankTaskRunnerOptions& options,
                                                               StartRank start_rank, const Clock& clock);

  // Kills every rank.
  ~RankTaskRunner() override;

  // The ranks' devices as one: their ids side by side, the model and the memory of the first.
  const v1::Device& device() const { return device_; }

  // As TaskRunner has it. INTERNAL with reason RANK_LOST if a rank ended or fell silent, with reason DEVICE_FAILED if a
  // group cannot be formed any more.
  //
  // The ranks write before they are done: nothing is left for the ending.
  absl::StatusOr<TaskEnding> Compute(const v1::Assignment& assignment, const TaskObserver& observer) override;
  std::optional<v1::Cursor> cursor() const override { return cursor_; }

  int most_blocks() const override { return options_.ranks; }
  // The ranks stop if all observers say so: there is no stopping of one alone.
  void ComputeSeveral(const std::vector<BlockToPrune>& blocks, const EndingTaker& take) override;

 private:
  struct Member;
  using Results = std::vector<absl::StatusOr<v1::TaskResult>>;
  // Takes what a rank says beside its beats and logs. An error ends the listening.
  using Handler = std::function<absl::Status(Member& member, v1::RankReport& report)>;

  RankTaskRunner(const RankTaskRunnerOptions& options, StartRank start_rank, const Clock& clock);

  absl::Status FormIfNeeded();
  absl::Status Form();
  absl::Status AwaitReady();
  // Kills every rank.
  void Disband();
  absl::StatusOr<v1::TaskResult> RunOnGroup(const v1::Assignment& assignment, const TaskObserver& observer);
  absl::StatusOr<v1::TaskResult> RunOnRanks(const v1::Assignment& assignment, int ranks, const TaskObserver& observer);
  // A block for each rank. nullopt: the ranks had rather prune them together.
  std::optional<Results> RunOwnBlocks(const std::vector<BlockToPrune>& blocks);
  absl::StatusOr<bool> ListenForOwnBlocks(const std::vector<BlockToPrune>& blocks, Results& results);
  // To the first `ranks` members.
  void Tell(const v1::RankCommand& command, int ranks);
  // Listens to the first `ranks` members until all have reported how it ended for them: OK if that is well for all.
  // `between` is asked several times a second whether to go on.
  absl::Status Listen(int ranks, const Handler& handle, const std::function<absl::Status()>& between);
  absl::Status ListenTo(Member& member, const Handler& handle);

  const RankTaskRunnerOptions options_;
  const StartRank start_rank_;
  const Clock& clock_;
  v1::Device device_;
  std::vector<Member> members_;
  int64_t groups_ = 0;
  std::optional<v1::Cursor> cursor_;
};

}  // namespace besa::worker
