// Ranks as processes of this very program.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "worker/ranks/rank.h"

namespace besa::worker {

// Starts the ranks of one group after the other. Not thread-safe.
class RankChildren {
 public:
  // `arguments` are this process's own, the first one being its name. `scratch`: the beginning of a path on a local
  // disk that is nobody else's.
  RankChildren(std::vector<std::string> arguments, std::string scratch)
      : arguments_(std::move(arguments)), scratch_(std::move(scratch)) {}
  // Removes the files that it named.
  ~RankChildren();
  RankChildren(const RankChildren&) = delete;
  RankChildren& operator=(const RankChildren&) = delete;

  // A process with those arguments and two more: "--rank=1", and "--rank-store=/tmp/..." with the name of a file that
  // the ranks of the group alone share. Its end of the socket is the file descriptor ChildProcess::kInherited.
  absl::StatusOr<std::unique_ptr<Rank>> Start(int rank, int64_t group);

 private:
  std::string StoreOf(int64_t group) const;

  const std::vector<std::string> arguments_;
  const std::string scratch_;
  int64_t last_group_ = 0;
};

}  // namespace besa::worker
