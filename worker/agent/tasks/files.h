// Files of an attempt, and of the attempts that others made: the job's workspace. Whatever goes wrong with them is a
// failure of the store (see StorageFailure), not of the input.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "besa/v1/task.pb.h"
#include "storage/checkpoint/checkpoint.h"
#include "storage/object/object_store.h"
#include "storage/safetensors/safetensors.h"
#include "worker/agent/task_runner.h"
#include "worker/pruner/pruner.h"
#include "worker/text/windows.h"

namespace besa::worker {

// Names in a prepare attempt's folder.
inline constexpr char kCalibrationFile[] = "calibration.safetensors";
// "evaluation-00002.safetensors": of the text of that index in the spec.
std::string EvaluationFile(int index);

// Bytes of tensors that go into one file of at most `file_bytes`: the rest is for its header.
int64_t TensorBytesOf(int64_t file_bytes);

// Writes folder/name and adds it to result.files.
absl::Status WriteFile(storage::ObjectStore& store, const storage::Uri& folder, const std::string& name,
                       const std::vector<storage::HostTensor>& tensors, v1::TaskResult& result);

// Copies tensors from their files into folder/name as they are, in pieces, and adds the file to result.files. The
// observer hears "write" with bytes of this file. An error of reading `source` is the input's.
absl::Status CopyTensors(storage::ObjectStore& store, const storage::TensorSource& source,
                         const std::vector<std::string>& names, const storage::Uri& folder, const std::string& name,
                         const TaskObserver& observer, v1::TaskResult& result);

// "input_ids" int32 [count, length].
absl::Status WriteTokens(storage::ObjectStore& store, const storage::Uri& folder, const std::string& name,
                         const text::Windows& windows, v1::TaskResult& result);
absl::StatusOr<pruner::TokenWindows> ReadTokens(storage::ObjectStore& store, const storage::Uri& file);

}  // namespace besa::worker
