#include "client/cli/json_output.h"

#include <stdexcept>

#include "google/protobuf/util/json_util.h"

namespace besa::client {

std::string ToJson(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  options.always_print_primitive_fields = true;
  std::string json;
  const auto status = google::protobuf::util::MessageToJsonString(message, &json, options);
  // Our messages hold nothing that JSON cannot; a failure is a fault of this program.
  if (!status.ok()) throw std::logic_error(status.ToString());
  return json;
}

}  // namespace besa::client
