// Recognising inputs that changed while a job runs.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "besa/v1/task.pb.h"
#include "google/protobuf/repeated_ptr_field.h"
#include "storage/checkpoint/checkpoint.h"
#include "storage/object/object_store.h"

namespace besa::worker {

using Fingerprints = google::protobuf::RepeatedPtrField<v1::InputFingerprint>;

// Of every file that the output depends on, sorted by address: weights, the files beside them, the index if there is
// one, and the texts. See InputFingerprint.
absl::StatusOr<Fingerprints> FingerprintInputs(storage::ObjectStore& store, const storage::Checkpoint& checkpoint,
                                               const std::vector<std::string>& text_uris);

// OK if all are what they were: of equal size and etag, or else, because a file that was merely touched or copied anew
// does no harm, of equal hash. `model` is the checkpoint's folder. FAILED_PRECONDITION with reason INPUT_CHANGED names
// the first that is not.
absl::Status CheckUnchanged(storage::ObjectStore& store, const storage::Uri& model, const Fingerprints& inputs);

}  // namespace besa::worker
