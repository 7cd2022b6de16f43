#include "client/testing/subprocess.h"

#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>
#include <system_error>
#include <thread>

namespace besa::client {
namespace {

void Check(bool ok, const char* what) {
  if (!ok) throw std::system_error(errno, std::generic_category(), what);
}

// Up to the end of the file. A terminal whose other side is closed gives EIO, which is an end too.
std::string ReadAll(int file) {
  std::string content;
  char buffer[4096];
  for (ssize_t count; (count = read(file, buffer, sizeof(buffer))) > 0;) content.append(buffer, count);
  return content;
}

}  // namespace

Subprocess::Subprocess(const std::string& program, const std::vector<std::string>& arguments, bool terminal) {
  std::vector<char*> argv = {const_cast<char*>(program.c_str())};
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);

  int out[2], err[2];
  if (terminal) {
    struct winsize size{.ws_row = 40, .ws_col = 100};
    Check(openpty(&out[0], &out[1], nullptr, nullptr, &size) == 0, "openpty");
  } else {
    Check(pipe(out) == 0, "pipe");
  }
  Check(pipe(err) == 0, "pipe");
  pid_ = fork();
  Check(pid_ >= 0, "fork");
  if (pid_ == 0) {
    dup2(out[1], STDOUT_FILENO);
    dup2(err[1], STDERR_FILENO);
    for (const int file : {out[0], out[1], err[0], err[1]}) close(file);
    execv(argv[0], argv.data());
    _exit(127);
  }
  close(out[1]);
  close(err[1]);
  out_ = out[0];
  err_ = err[0];
}

Subprocess::~Subprocess() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    Wait();
  }
}

void Subprocess::Signal(int number) { Check(kill(pid_, number) == 0, "kill"); }

Finished Subprocess::Wait() {
  Finished finished;
  {
    // Both at once: the program blocks when either is full.
    const std::jthread errors([&] { finished.err = ReadAll(err_); });
    finished.out = ReadAll(out_);
  }
  close(out_);
  close(err_);
  int status = 0;
  Check(waitpid(pid_, &status, 0) == pid_, "waitpid");
  pid_ = -1;
  finished.code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  return finished;
}

}  // namespace besa::client
