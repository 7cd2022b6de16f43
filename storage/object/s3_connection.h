// One S3 server and who we are there.
#pragma once

#include <functional>
#include <memory>

#include "absl/time/time.h"
#include "storage/base/backoff.h"
#include "storage/object/arrow_store.h"
#include "storage/object/s3_settings.h"

namespace besa::storage {

// How often single requests are repeated below an operation.
struct S3Retries {
  Backoff backoff;
  // Any request: blips. What lasts longer ends the operation, which its caller may repeat.
  absl::Duration requests = absl::Seconds(2);
  // The requests of a write: long, because a stream cannot be repeated as a whole.
  absl::Duration uploads = absl::Minutes(1);
  // A number in [0, 1). Thread-safe.
  std::function<double()> uniform = [] { return 0.5; };
};

// An ArrowStore over Arrow's S3FileSystem.
//   - Objects appear when their upload completes; a writer that is destroyed unfinished aborts it.
//   - Stat gives S3's entity tag; List leaves it empty.
//   - Copies happen on the server and may join buckets; at most 5 GB an object.
//   - After a deletion the folder above exists as an empty object "folder/" (Arrow keeps folders alive). Listings do
//   not
//     show such objects.
//   - Unfinished uploads of killed processes are not files: a lifecycle rule of the bucket removes them.
class S3Connection final : public ArrowStore {
 public:
  // Starts the S3 library at the first call in a process; it ends with the process.
  static absl::StatusOr<std::unique_ptr<S3Connection>> Open(const S3Settings& settings, const S3Retries& retries);

  absl::StatusOr<ObjectInfo> Stat(const Uri& uri) override;
  absl::StatusOr<std::vector<ObjectInfo>> List(const Uri& folder) override;
  absl::Status ReadRange(const Uri& uri, int64_t offset, std::span<std::byte> out) override;
  absl::StatusOr<std::unique_ptr<ObjectWriter>> OpenWriter(const Uri& uri) override;
  // Begins an upload and aborts it.
  absl::Status CheckWritable(const Uri& folder) override;
  absl::Status Copy(const Uri& from, const Uri& to) override;
  absl::Status Delete(const Uri& uri) override;
  absl::Status DeleteFolder(const Uri& folder) override;

 private:
  S3Connection(S3Settings settings, std::shared_ptr<arrow::fs::FileSystem> requests,
               std::shared_ptr<arrow::fs::FileSystem> uploads);

  absl::Status Explain(const absl::Status& status, const Uri& uri) const;
  // S3 answers the question for an object's size without a body, so that a missing object, bucket or right all look
  // alike: asks for its content, whose refusal has one. `status` if that does not tell either.
  absl::Status WhyNot(const Uri& uri, const absl::Status& status);

  S3Settings settings_;
  std::shared_ptr<arrow::fs::FileSystem> uploads_;
};

}  // namespace besa::storage
