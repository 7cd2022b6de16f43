// Runs the built program as its users do: a process of its own.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace besa::client {

struct Finished {
  // The exit status; -signal if a signal ended it.
  int code;
  std::string out;
  std::string err;
};

class Subprocess {
 public:
  // Starts `program` with stdout going to a file or, with `terminal`, to a terminal of 100 columns.
  Subprocess(const std::string& program, const std::vector<std::string>& arguments, bool terminal = false);
  Subprocess(const Subprocess&) = delete;
  ~Subprocess();

  void Signal(int number);
  // Waits for the end. Call once.
  Finished Wait();

 private:
  pid_t pid_ = -1;
  int out_ = -1;
  int err_ = -1;
};

}  // namespace besa::client
