#include "server/validation/output_folder.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "server/validation/field_context.h"
#include "storage/base/error_info.h"

namespace besa::server {
namespace {

constexpr char kField[] = "output_uri";

}  // namespace

absl::Status CheckOutputFolder(storage::ObjectStore& store, const storage::Uri& model, const storage::Uri& output) {
  const std::string text = output.ToString();
  if (output.IsWithin(model)) {
    return FieldError(kField, text, absl::StrCat("a folder outside model_uri ", model.ToString()));
  }
  if (model.IsWithin(output)) {
    return FieldError(kField, text, absl::StrCat("a folder that does not contain model_uri ", model.ToString()));
  }
  const auto listed = store.List(output);
  if (!listed.ok()) return InField(kField, text, listed.status());
  if (!listed->empty()) {
    return ErrorWithInfo(
        absl::StatusCode::kFailedPrecondition,
        absl::StrCat(kField, ": ", text, " is not empty: it holds ", listed->front().uri.ToString(),
                     "; expected a folder that is empty or does not exist"),
        {.reason = "OUTPUT_NOT_EMPTY",
         .metadata = {{"field", kField}, {"value", text}, {"expected", "a folder that is empty or does not exist"}}});
  }
  return InField(kField, text, store.CheckWritable(output));
}

}  // namespace besa::server
