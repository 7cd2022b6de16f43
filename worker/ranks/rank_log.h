// The log of a rank: its lines go to the process that started it, which writes them into the worker's log.
#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "worker/ranks/message_socket.h"

namespace besa::worker {

// Makes spdlog's default logger send to `socket`, which must outlive all logging. INVALID_ARGUMENT for a level that
// SetUpLogging does not know.
absl::Status SendLogTo(MessageSocket& socket, absl::string_view level);

}  // namespace besa::worker
