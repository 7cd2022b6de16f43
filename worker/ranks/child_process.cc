#include "worker/ranks/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>

#include "absl/strings/str_cat.h"

extern char** environ;

namespace besa::worker {

absl::StatusOr<std::unique_ptr<ChildProcess>> ChildProcess::Start(const std::vector<std::string>& arguments,
                                                                  int inherited) {
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  // A file that is there already keeps its mark that it is to be closed, so it goes by way of another number.
  const int other = inherited < 0 ? -1 : fcntl(inherited, F_DUPFD_CLOEXEC, kInherited + 1);
  if (other >= 0) posix_spawn_file_actions_adddup2(&actions, other, kInherited);
  pid_t pid = 0;
  const int error = posix_spawn(&pid, "/proc/self/exe", &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (other >= 0) close(other);
  if (error != 0) {
    return absl::InternalError(absl::StrCat("another process cannot be started: ", std::strerror(error)));
  }
  const int pid_file = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  return std::unique_ptr<ChildProcess>(new ChildProcess(pid, pid_file));
}

ChildProcess::~ChildProcess() {
  End(absl::ZeroDuration());
  if (pid_file_ >= 0) close(pid_file_);
}

bool ChildProcess::Wait(absl::Duration wait) {
  if (gone_) return true;
  pollfd poll_for = {.fd = pid_file_, .events = POLLIN, .revents = 0};
  const int64_t milliseconds = std::clamp<int64_t>(absl::ToInt64Milliseconds(wait), 0, 1'000'000'000);
  if (milliseconds > 0) poll(&poll_for, 1, static_cast<int>(milliseconds));
  gone_ = waitpid(pid_, &status_, WNOHANG) == pid_;
  return gone_;
}

std::string ChildProcess::End(absl::Duration grace) {
  if (!Wait(grace)) {
    kill(pid_, SIGKILL);
    killed_ = true;
    gone_ = waitpid(pid_, &status_, 0) == pid_;
  }
  if (killed_) return "was killed";
  if (WIFSIGNALED(status_)) return absl::StrCat("was killed by signal ", WTERMSIG(status_));
  return absl::StrCat("exited with code ", WEXITSTATUS(status_));
}

}  // namespace besa::worker
