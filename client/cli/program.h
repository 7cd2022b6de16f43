// The program `besa`, apart from its surroundings.
#pragma once

#include "client/cli/context.h"

namespace besa::client {

// Parses the command line and runs the command. Returns the exit status.
int RunProgram(int argc, const char* const* argv, Surroundings surroundings);

}  // namespace besa::client
