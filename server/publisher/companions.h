// The files beside the weights: config.json, tokenizer, licence.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "besa/v1/task.pb.h"
#include "server/publisher/manifest.h"
#include "storage/checkpoint/checkpoint.h"
#include "storage/object/object_store.h"

namespace besa::server {

// A companion and its path in either folder.
struct Companion {
  storage::Uri from;
  std::string path;
};

// The checkpoint's companions in the order of their paths.
std::vector<Companion> PublishedCompanions(const storage::Checkpoint& checkpoint);

// Copies one into `output` and hashes it on the way. FAILED_PRECONDITION with reason INPUT_CHANGED, before anything is
// visible, if the content is no longer the one that `inputs` (the prepare task's fingerprints) has for it.
absl::StatusOr<PublishedFile> CopyCompanion(storage::ObjectStore& store, const Companion& companion,
                                            const storage::Uri& output,
                                            const google::protobuf::RepeatedPtrField<v1::InputFingerprint>& inputs);

}  // namespace besa::server
