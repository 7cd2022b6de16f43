#include "worker/ranks/rank_child.h"

#include <unistd.h>

#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"
#include "storage/base/status_macros.h"
#include "worker/ranks/child_process.h"

namespace besa::worker {
namespace {

class RankChild final : public Rank {
 public:
  RankChild(std::unique_ptr<ChildProcess> process, int socket) : process_(std::move(process)), socket_(socket) {}

  MessageSocket& socket() override { return socket_; }
  std::string End(absl::Duration grace) override { return process_->End(grace); }

 private:
  const std::unique_ptr<ChildProcess> process_;
  MessageSocket socket_;
};

}  // namespace

RankChildren::~RankChildren() { std::remove(StoreOf(last_group_).c_str()); }

std::string RankChildren::StoreOf(int64_t group) const { return absl::StrCat(scratch_, "-", group); }

absl::StatusOr<std::unique_ptr<Rank>> RankChildren::Start(int rank, int64_t group) {
  // Nobody of an earlier group is left.
  if (group != last_group_) std::remove(StoreOf(last_group_).c_str());
  last_group_ = group;
  std::vector<std::string> arguments = arguments_;
  arguments.push_back(absl::StrCat("--rank=", rank));
  arguments.push_back(absl::StrCat("--rank-store=", StoreOf(group)));
  ASSIGN_OR_RETURN(const auto ends, MessageSocket::Pair());
  auto process = ChildProcess::Start(arguments, ends.second);
  close(ends.second);
  if (!process.ok()) {
    close(ends.first);
    return std::move(process).status();
  }
  return std::make_unique<RankChild>(*std::move(process), ends.first);
}

}  // namespace besa::worker
