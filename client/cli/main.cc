#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <string>

#include "client/cli/program.h"

namespace {

int TerminalWidth() {
  struct winsize size{};
  return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

// By the desktop's own opener, which knows the browser.
bool OpenInBrowser(const std::string& path) {
  pid_t child = 0;
  std::string program = "xdg-open";
  std::string file = path;
  char* const arguments[] = {program.data(), file.data(), nullptr};
  if (posix_spawnp(&child, program.c_str(), nullptr, nullptr, arguments, environ) != 0) return false;
  int status = 0;
  return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace

int main(int argc, char** argv) {
  const char* const server = std::getenv("BESA_SERVER");
  return besa::client::RunProgram(argc, argv,
                                  {.out = &std::cout,
                                   .err = &std::cerr,
                                   .terminal = isatty(STDOUT_FILENO) == 1,
                                   .width = TerminalWidth,
                                   .directory = std::filesystem::current_path().string(),
                                   .default_server = server != nullptr && *server != '\0' ? server : "127.0.0.1:7600",
                                   .open_in_browser = OpenInBrowser});
}
