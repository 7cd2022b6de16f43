// besa_manifest.json: what was made of what, and how. Its format is docs/manifest.md.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "besa/v1/job.pb.h"
#include "besa/v1/task.pb.h"

namespace besa::server {

// A file of the output folder.
struct PublishedFile {
  // Relative to the folder.
  std::string path;
  int64_t size = 0;
  // Lower-case hexadecimal.
  std::string sha256;
};

// The text of the manifest. A pure function of what determines the output: nothing in it depends on the output's
// address, the job's name, times, workers or attempts, so equal specs give equal manifests within a numerics class.
// `tasks` are all committed; `besa_version` is the publishing program's.
absl::StatusOr<std::string> FormatManifest(const v1::JobSpec& spec, const v1::ModelSummary& model,
                                           const std::vector<v1::Task>& tasks, const std::vector<PublishedFile>& files,
                                           absl::string_view besa_version);

}  // namespace besa::server
