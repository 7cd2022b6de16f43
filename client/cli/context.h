// What every command of the program has at hand.
#pragma once

#include <functional>
#include <ostream>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/prune_client.h"
#include "google/protobuf/message.h"
#include "storage/base/clock.h"

namespace besa::client {

// The program's surroundings, so that nothing below main() reaches for them.
struct Surroundings {
  std::ostream* out;
  std::ostream* err;
  // Whether `out` is a terminal, and how wide it is now.
  bool terminal = false;
  std::function<int()> width;
  // The current directory, absolute.
  std::string directory;
  // BESA_SERVER, or the default.
  std::string default_server;
  const Clock* clock = &Clock::Real();
  // Shows a file to whoever sits here; false if that cannot be.
  std::function<bool(const std::string& path)> open_in_browser = [](const std::string&) { return false; };
};

struct Context {
  Surroundings surroundings;

  // The global flags.
  std::string server;
  // Whether --server was given: commands that we suggest then carry it too.
  bool server_given = false;
  bool json = false;
  absl::Duration timeout = absl::Seconds(10);

  // The command that was chosen; returns the exit status. Set while the command line is parsed.
  std::function<int()> run;

  std::ostream& out() const { return *surroundings.out; }
  std::ostream& err() const { return *surroundings.err; }

  PruneClient Connect() const;

  // "besa jobs watch jobs/j1", with --server if it was given.
  std::string Suggest(absl::string_view command) const;

  // Prints `message` as JSON if asked for, otherwise `text`. Returns kExitOk.
  int Show(const google::protobuf::Message& message, absl::string_view text) const;

  // Tells the error, as JSON too if asked for. Returns the exit status.
  int Fail(const absl::Status& status) const;
};

}  // namespace besa::client
