// The life of a rank: it gets its device and its fellows together, then runs what it is told.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "besa/v1/fleet_service.pb.h"
#include "storage/base/sleeper.h"
#include "worker/agent/task_runner.h"
#include "worker/ranks/message_socket.h"

namespace besa::worker {

// What a rank runs tasks with.
class RankTools {
 public:
  virtual ~RankTools() = default;
  virtual TaskRunner& runner() = 0;
  // Prunes this rank's of several blocks, one for each rank, and writes its files. nullopt: the ranks, who all come to
  // the same, had rather prune them together.
  virtual absl::StatusOr<std::optional<v1::TaskResult>> RunOwnBlock(const std::vector<v1::Assignment>& assignments,
                                                                    const TaskObserver& observer) = 0;
  virtual v1::Device device() const = 0;
};

struct ServeRankOptions {
  // While the rank opens its tools and while it runs a task it says so this often, from a thread of its own.
  absl::Duration beat = absl::Seconds(1);
  // Called from another thread as soon as whoever started the rank is gone: it must not go on.
  std::function<void()> orphaned;
};

// Opens the tools, says so, then runs one task after the other until the other end of the socket is closed: then OK. An
// error of opening is told and returned. A task is never asked to stop: whoever wants that ends the process.
absl::Status ServeRank(MessageSocket& socket,
                       const std::function<absl::StatusOr<std::unique_ptr<RankTools>>()>& open_tools,
                       const ServeRankOptions& options, Sleeper& sleeper);

}  // namespace besa::worker
