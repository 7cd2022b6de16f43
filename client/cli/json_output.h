// Messages as JSON for programs: protobuf's mapping with the field names of the .proto files, zeros and empty lists
// included, so that a script finds every field it asks for. 64-bit integers are strings, as that mapping has it.
#pragma once

#include <string>

#include "google/protobuf/message.h"

namespace besa::client {

// One line without a newline.
std::string ToJson(const google::protobuf::Message& message);

}  // namespace besa::client
