#include "worker/agent/tasks/files.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "storage/base/sha256.h"
#include "storage/base/status_macros.h"
#include "worker/agent/failure_reason.h"
#include "worker/agent/tasks/progress.h"

namespace besa::worker {
namespace {

using storage::HostTensor;
using storage::Uri;

constexpr char kIdsTensor[] = "input_ids";
constexpr int64_t kPieceBytes = int64_t{8} << 20;

// Hugging Face libraries refuse weight files without it.
const std::map<std::string, std::string>& Metadata() {
  static const auto* const metadata = new std::map<std::string, std::string>{{"format", "pt"}};
  return *metadata;
}

void AddFile(const std::string& name, const storage::WrittenFile& written, v1::TaskResult& result) {
  v1::File& file = *result.add_files();
  file.set_path(name);
  file.set_size(written.size);
  file.set_sha256(written.sha256);
}

// A writer that hashes and counts, and whose errors are the store's.
class HashingWriter {
 public:
  explicit HashingWriter(std::unique_ptr<storage::ObjectWriter> writer) : writer_(std::move(writer)) {}

  absl::Status Write(std::span<const std::byte> bytes) {
    hash_.Update(bytes);
    written_.size += static_cast<int64_t>(bytes.size());
    return StorageFailure(writer_->Write(bytes));
  }
  absl::StatusOr<storage::WrittenFile> Finish() {
    RETURN_IF_ERROR(StorageFailure(writer_->Finish()));
    written_.sha256 = hash_.Finish();
    return written_;
  }

 private:
  std::unique_ptr<storage::ObjectWriter> writer_;
  Sha256 hash_;
  storage::WrittenFile written_;
};

absl::StatusOr<pruner::TokenWindows> ReadTokensOf(storage::ObjectStore& store, const Uri& file) {
  ASSIGN_OR_RETURN(const auto header, storage::ReadSafetensorsHeader(store, file));
  const auto found = header.tensors.find(kIdsTensor);
  if (found == header.tensors.end() || found->second.dtype != storage::DType::kI32 || found->second.shape.size() != 2) {
    return absl::DataLossError(absl::StrCat(file.ToString(), " has no int32 matrix \"", kIdsTensor, "\""));
  }
  ASSIGN_OR_RETURN(const HostTensor tensor, storage::ReadTensor(store, file, kIdsTensor, found->second));
  pruner::TokenWindows windows{.windows = tensor.shape[0], .length = tensor.shape[1]};
  windows.ids.resize(tensor.bytes.size() / sizeof(int32_t));
  std::memcpy(windows.ids.data(), tensor.bytes.data(), tensor.bytes.size());
  return windows;
}

}  // namespace

std::string EvaluationFile(int index) { return absl::StrFormat("evaluation-%05d.safetensors", index); }

int64_t TensorBytesOf(int64_t file_bytes) {
  constexpr int64_t kHeaderBytes = int64_t{16} << 20;
  return file_bytes - std::min(kHeaderBytes, file_bytes / 16);
}

absl::Status WriteFile(storage::ObjectStore& store, const Uri& folder, const std::string& name,
                       const std::vector<HostTensor>& tensors, v1::TaskResult& result) {
  const auto written = storage::WriteSafetensors(store, folder.Join(name), tensors, Metadata());
  if (!written.ok()) return StorageFailure(written.status());
  AddFile(name, *written, result);
  return absl::OkStatus();
}

absl::Status CopyTensors(storage::ObjectStore& store, const storage::TensorSource& source,
                         const std::vector<std::string>& names, const Uri& folder, const std::string& name,
                         const TaskObserver& observer, v1::TaskResult& result) {
  std::vector<HostTensor> headers;
  std::vector<storage::TensorLocation> locations;
  int64_t total = 0;
  for (const std::string& tensor : names) {
    ASSIGN_OR_RETURN(storage::TensorLocation location, source.Find(tensor));
    headers.push_back({.name = tensor, .dtype = location.entry.dtype, .shape = location.entry.shape});
    total += location.entry.size;
    locations.push_back(std::move(location));
  }
  ASSIGN_OR_RETURN(const std::string header, storage::FormatSafetensorsHeader(headers, Metadata()));
  auto opened = store.OpenWriter(folder.Join(name));
  if (!opened.ok()) return StorageFailure(opened.status());
  HashingWriter writer(*std::move(opened));
  RETURN_IF_ERROR(writer.Write(std::as_bytes(std::span(header))));

  std::vector<std::byte> buffer(kPieceBytes);
  int64_t copied = 0;
  for (const storage::TensorLocation& location : locations) {
    for (int64_t done = 0; done < location.entry.size;) {
      const int64_t size = std::min(kPieceBytes, location.entry.size - done);
      const auto piece = std::span(buffer).first(static_cast<size_t>(size));
      RETURN_IF_ERROR(store.ReadRange(location.file, location.entry.offset + done, piece));
      RETURN_IF_ERROR(writer.Write(piece));
      done += size;
      copied += size;
      if (!observer(MakeProgress("write", copied, total))) return absl::CancelledError("stopped while writing");
    }
  }
  ASSIGN_OR_RETURN(const storage::WrittenFile written, writer.Finish());
  AddFile(name, written, result);
  return absl::OkStatus();
}

absl::Status WriteTokens(storage::ObjectStore& store, const Uri& folder, const std::string& name,
                         const text::Windows& windows, v1::TaskResult& result) {
  HostTensor tensor{.name = kIdsTensor, .dtype = storage::DType::kI32, .shape = {windows.count, windows.length}};
  tensor.bytes.resize(windows.ids.size() * sizeof(int32_t));
  std::memcpy(tensor.bytes.data(), windows.ids.data(), tensor.bytes.size());
  std::vector<HostTensor> tensors;
  tensors.push_back(std::move(tensor));
  return WriteFile(store, folder, name, tensors, result);
}

absl::StatusOr<pruner::TokenWindows> ReadTokens(storage::ObjectStore& store, const Uri& file) {
  auto windows = ReadTokensOf(store, file);
  if (!windows.ok()) return StorageFailure(windows.status());
  return windows;
}

}  // namespace besa::worker
