#include "storage/checkpoint/checkpoint_error.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "storage/base/error_info.h"
#include "storage/base/utf8.h"

namespace besa::storage {

absl::Status TensorError(const Uri& file, absl::string_view tensor, absl::string_view what) {
  const std::string name = Printable(tensor);
  return ErrorWithInfo(absl::StatusCode::kInvalidArgument,
                       absl::StrCat(file.ToString(), ": tensor \"", name, "\": ", what),
                       {.reason = "CHECKPOINT_INVALID", .metadata = {{"file", file.ToString()}, {"tensor", name}}});
}

}  // namespace besa::storage
