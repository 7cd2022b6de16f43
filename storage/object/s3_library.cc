#include "storage/object/s3_library.h"

#include <arrow/filesystem/s3fs.h>
#include <arrow/result.h>
#include <arrow/status.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "storage/base/status_macros.h"

namespace besa::storage {
namespace {

// The SDK's own defaults, 1 s and 3 s, break on a busy server.
constexpr double kConnectSeconds = 5;
constexpr double kStalledSeconds = 20;

absl::Status StartLibrary() {
  static const arrow::Status started = [] {
    // A closed connection must not end the process.
    return arrow::fs::InitializeS3({.log_level = arrow::fs::S3LogLevel::Fatal, .install_sigpipe_handler = true});
  }();
  if (started.ok()) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("starting the S3 library: ", started.message()));
}

// The library has to be ended before the process's statics go. Its own, made when the first client is, must still be
// there then: so this is to be called after that.
void EndLibraryAtExit() {
  struct Ender {
    // Nobody is left to be told.
    ~Ender() { (void)arrow::fs::FinalizeS3(); }
  };
  static const Ender ender;
}

// Repeats what the SDK holds for transient, for about as long as `patience`.
class Retries final : public arrow::fs::S3RetryStrategy {
 public:
  Retries(S3Retries retries, absl::Duration patience) : retries_(std::move(retries)), patience_(patience) {}

  bool ShouldRetry(const AWSErrorDetail& error, int64_t attempted_retries) override {
    if (!error.should_retry) return false;
    absl::Duration waited;
    for (int64_t failure = 1; failure <= attempted_retries + 1; ++failure) {
      waited += retries_.backoff.Delay(static_cast<int>(failure), 0.5);
    }
    return waited <= patience_;
  }
  int64_t CalculateDelayBeforeNextRetry(const AWSErrorDetail&, int64_t attempted_retries) override {
    return absl::ToInt64Milliseconds(
        retries_.backoff.Delay(static_cast<int>(attempted_retries) + 1, retries_.uniform()));
  }

 private:
  S3Retries retries_;
  absl::Duration patience_;
};

// Not a definite answer: the service of a container or an instance may be there at the next try.
absl::Status NoKeys(const S3Settings& settings) {
  return absl::UnavailableError(absl::StrCat(
      "no access key for ", settings.endpoint.empty() ? "Amazon S3" : settings.endpoint,
      ": there is none in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and none from ", settings.keys_from));
}

}  // namespace

absl::StatusOr<std::shared_ptr<arrow::fs::FileSystem>> NewS3Client(const S3Settings& settings, const S3Retries& retries,
                                                                   absl::Duration patience, bool allow_delayed_open) {
  RETURN_IF_ERROR(StartLibrary());
  arrow::fs::S3Options options;
  if (settings.keys) {
    options.ConfigureAccessKey(settings.keys->access_key, settings.keys->secret_key, settings.keys->session_token);
  } else {
    options.ConfigureDefaultCredentials();
    // The SDK would sign nothing, for minutes even where an instance's service is only late, and the server would say
    // that the key lacks a right.
    if (options.GetAccessKey().empty()) return NoKeys(settings);
  }
  options.region = settings.region;
  absl::string_view host = settings.endpoint;
  options.scheme = absl::ConsumePrefix(&host, "http://") ? "http" : "https";
  absl::ConsumePrefix(&host, "https://");
  options.endpoint_override = std::string(host);
  options.connect_timeout = kConnectSeconds;
  options.request_timeout = kStalledSeconds;
  options.background_writes = true;
  options.allow_delayed_open = allow_delayed_open;
  options.retry_strategy = std::make_shared<Retries>(retries, patience);
  auto client = arrow::fs::S3FileSystem::Make(options);
  EndLibraryAtExit();
  if (!client.ok()) {
    return absl::UnavailableError(absl::StrCat("connecting to ", settings.endpoint.empty() ? "S3" : settings.endpoint,
                                               ": ", client.status().message()));
  }
  return std::shared_ptr<arrow::fs::FileSystem>(*std::move(client));
}

absl::StatusOr<std::string> AskAmazonForRegion(const std::string& bucket) {
  RETURN_IF_ERROR(StartLibrary());
  const auto region = arrow::fs::ResolveS3BucketRegion(bucket);
  EndLibraryAtExit();
  if (region.ok()) return *region;
  const std::string message =
      absl::StrCat("s3://", bucket, ": the region of the bucket cannot be found: ", region.status().message(),
                   "; set AWS_REGION if the bucket exists");
  const bool missing = absl::StrContains(region.status().message(), "not found");
  return missing ? absl::NotFoundError(message) : absl::UnavailableError(message);
}

}  // namespace besa::storage
