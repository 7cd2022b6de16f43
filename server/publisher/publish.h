// Assembling the output folder of one job.
#pragma once

#include <functional>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "server/scheduler/publishing.h"
#include "storage/object/object_store.h"

namespace besa::server {

// Asked before every step; an error ends the work with that error.
using MayGoOn = std::function<absl::Status()>;

// The steps, each of which writes the same bytes whenever and by whomever it is done, so that after a crash at any
// point all are simply done again:
//
//   besa_run.json           marks the folder as this job's; a folder that holds anything else is refused
//   model-*.safetensors     shared or copied inside the store from the attempts that won, their sizes checked
//   companions              config.json, tokenizer and the like, copied from the model's folder
//   model.safetensors.index.json
//   report.html             as of the last commit, so that it is the same whenever it is written
//   besa_manifest.json      last: who sees it has everything
//
// Errors: FAILED_PRECONDITION with reason OUTPUT_NOT_EMPTY (foreign files) or INPUT_CHANGED (a companion is no longer
// what the prepare task saw); DATA_LOSS if a copy has another size than what was committed; those of the store; those
// of `may_go_on`.
absl::Status Publish(storage::ObjectStore& store, const PublishingClaim& claim, absl::string_view besa_version,
                     const MayGoOn& may_go_on);

}  // namespace besa::server
