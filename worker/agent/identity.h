// Who this worker is.
#pragma once

#include <string>

#include "besa/v1/fleet_service.pb.h"

namespace besa::worker {

struct Identity {
  // "workers/{worker}". Unique in the fleet: a coordinator takes a second process of the same name for a restart.
  std::string name;
  // Fresh for each start of the process.
  std::string incarnation;
  // Of the program.
  std::string version;
  v1::Device device;
};

}  // namespace besa::worker
