// Messages as JSON for programs: protobuf's mapping with the field names of the .proto files, zeros and empty lists
// included, so that a script finds every field it asks for. 64-bit integers are strings, as that mapping has it.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "google/protobuf/message.h"

namespace besa {

// One line without a newline. Our messages hold nothing that JSON cannot; INTERNAL where one does.
absl::StatusOr<std::string> ToJson(const google::protobuf::Message& message);

}  // namespace besa
