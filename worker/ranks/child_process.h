// Another process of this very program.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace besa::worker {

// Not thread-safe.
class ChildProcess {
 public:
  // Starts this program with these arguments, the first one being its name. The child has this process's environment
  // and standard streams, and of its other files `inherited` alone, as file descriptor kInherited; -1: none. INTERNAL
  // if the system refuses.
  static absl::StatusOr<std::unique_ptr<ChildProcess>> Start(const std::vector<std::string>& arguments, int inherited);
  static constexpr int kInherited = 3;

  // Ends it.
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t pid() const { return pid_; }

  // Waits until it ends by itself. False: it has not within `wait`.
  bool Wait(absl::Duration wait);

  // See Rank::End.
  std::string End(absl::Duration grace);

  // 0 if it ended well.
  int exit_status() const { return status_; }

 private:
  ChildProcess(pid_t pid, int pid_file) : pid_(pid), pid_file_(pid_file) {}

  const pid_t pid_;
  // Becomes readable when the process ends.
  const int pid_file_;
  bool gone_ = false;
  bool killed_ = false;
  int status_ = 0;
};

}  // namespace besa::worker
