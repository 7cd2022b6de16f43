#include "client/cli/context.h"

#include "absl/strings/str_cat.h"
#include "client/cli/error_text.h"
#include "client/cli/exit_code.h"
#include "client/cli/local_path.h"
#include "proto/json.h"

namespace besa::client {

PruneClient Context::Connect() const {
  return PruneClient({.target = ServerTarget(server), .deadline = timeout, .clock = surroundings.clock});
}

std::string Context::Suggest(absl::string_view command) const {
  return absl::StrCat("besa ", server_given ? absl::StrCat("--server ", server, " ") : "", command);
}

int Context::Show(const google::protobuf::Message& message, absl::string_view text) const {
  if (json) {
    out() << ToJson(message).value() << "\n";
  } else {
    out() << text;
  }
  return kExitOk;
}

int Context::Fail(const absl::Status& status) const {
  if (json) out() << ErrorJson(status) << "\n";
  err() << "besa: " << DescribeError(status) << "\n";
  return ExitCodeOf(status);
}

}  // namespace besa::client
