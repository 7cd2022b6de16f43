#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <iostream>

#include "client/cli/program.h"

namespace {

int TerminalWidth() {
  struct winsize size{};
  return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
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
                                   .default_server = server != nullptr && *server != '\0' ? server : "127.0.0.1:7600"});
}
