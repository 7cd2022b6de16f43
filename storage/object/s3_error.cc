#include "storage/object/s3_error.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace besa::storage {
namespace {

using Code = absl::StatusCode;

// The text between two marks; empty if they are not there.
absl::string_view Between(absl::string_view text, absl::string_view begin, absl::string_view end) {
  const size_t from = text.find(begin);
  if (from == absl::string_view::npos) return "";
  text.remove_prefix(from + begin.size());
  const size_t to = text.find(end);
  return to == absl::string_view::npos ? "" : text.substr(0, to);
}

enum class Kind { kBucket, kMissing, kKeys, kRights, kRegion, kRange, kAgain, kFull, kNetwork, kClock };

struct Known {
  absl::string_view name;
  Kind kind;
};

// By both of their spellings: the SDK's for those it knows, the server's for the others.
constexpr std::array kKnown = {
    Known{"NO_SUCH_BUCKET", Kind::kBucket},
    Known{"NoSuchBucket", Kind::kBucket},
    Known{"NO_SUCH_KEY", Kind::kMissing},
    Known{"RESOURCE_NOT_FOUND", Kind::kMissing},
    Known{"HTTP 404", Kind::kMissing},
    Known{"INVALID_ACCESS_KEY_ID", Kind::kKeys},
    Known{"SIGNATURE_DOES_NOT_MATCH", Kind::kKeys},
    Known{"INVALID_SIGNATURE", Kind::kKeys},
    Known{"INVALID_CLIENT_TOKEN_ID", Kind::kKeys},
    Known{"UNRECOGNIZED_CLIENT", Kind::kKeys},
    Known{"MISSING_AUTHENTICATION_TOKEN", Kind::kKeys},
    Known{"InvalidToken", Kind::kKeys},
    Known{"ExpiredToken", Kind::kKeys},
    Known{"XAdminUserNotFound", Kind::kKeys},
    Known{"ACCESS_DENIED", Kind::kRights},
    Known{"AllAccessDisabled", Kind::kRights},
    Known{"HTTP 403", Kind::kRights},
    Known{"AuthorizationHeaderMalformed", Kind::kRegion},
    Known{"PermanentRedirect", Kind::kRegion},
    Known{"TemporaryRedirect", Kind::kRegion},
    Known{"IllegalLocationConstraintException", Kind::kRegion},
    Known{"HTTP 301", Kind::kRegion},
    Known{"HTTP 400", Kind::kRegion},
    Known{"InvalidRange", Kind::kRange},
    Known{"HTTP 416", Kind::kRange},
    Known{"NO_SUCH_UPLOAD", Kind::kAgain},
    Known{"SLOW_DOWN", Kind::kAgain},
    Known{"THROTTLING", Kind::kAgain},
    Known{"SERVICE_UNAVAILABLE", Kind::kAgain},
    Known{"INTERNAL_FAILURE", Kind::kAgain},
    Known{"REQUEST_TIMEOUT", Kind::kAgain},
    Known{"QuotaExceeded", Kind::kFull},
    Known{"InsufficientCapacity", Kind::kFull},
    Known{"XMinioStorageFull", Kind::kFull},
    Known{"HTTP 507", Kind::kFull},
    Known{"NETWORK_CONNECTION", Kind::kNetwork},
    Known{"REQUEST_TIME_TOO_SKEWED", Kind::kClock},
    Known{"REQUEST_EXPIRED", Kind::kClock},
};

struct Explanation {
  Code code;
  std::string words;
};

Explanation Explain(Kind kind, const std::string& bucket, const S3Settings& settings) {
  const std::string server = settings.endpoint.empty() ? "Amazon S3" : settings.endpoint;
  switch (kind) {
    case Kind::kBucket:
      // Not NOT_FOUND: whoever treats a missing object as an answer must not take this for one.
      return {Code::kFailedPrecondition, absl::StrCat("there is no bucket ", bucket, " at ", server,
                                                      "; check the bucket's name and the endpoint")};
    case Kind::kMissing:
      return {Code::kNotFound, "not found"};
    case Kind::kKeys:
      return {Code::kPermissionDenied, absl::StrCat(server, " does not accept the access key or its secret (from ",
                                                    settings.keys_from, "); check both")};
    case Kind::kRights:
      return {Code::kPermissionDenied,
              absl::StrCat("the access key (from ", settings.keys_from, ") may not do that in bucket ", bucket, " at ",
                           server, "; check the rights of the key and the policy of the bucket")};
    case Kind::kRegion:
      return {Code::kFailedPrecondition,
              absl::StrCat(server, " refuses the request as it is signed for region ",
                           settings.region.empty() ? "(none given)" : settings.region, "; check the region of bucket ",
                           bucket, " (AWS_REGION or --store-config)")};
    case Kind::kRange:
      return {Code::kOutOfRange, "the object ends before the range asked for"};
    case Kind::kAgain:
      return {Code::kUnavailable, absl::StrCat(server, " could not serve the request now")};
    case Kind::kFull:
      return {Code::kResourceExhausted, absl::StrCat("no room in bucket ", bucket, " at ", server)};
    case Kind::kNetwork:
      return {Code::kUnavailable, absl::StrCat("cannot reach ", server, "; check the endpoint and the network")};
    case Kind::kClock:
      return {Code::kFailedPrecondition, absl::StrCat(server, " refuses the time of the request; check the clocks")};
  }
  return {Code::kInternal, ""};
}

}  // namespace

std::string S3ErrorName(absl::string_view message) {
  const absl::string_view sdk = Between(message, "AWS Error ", " during ");
  absl::string_view status = sdk;
  if (!absl::ConsumePrefix(&status, "UNKNOWN (HTTP status ")) return std::string(sdk);
  const absl::string_view server = Between(message, "ExceptionName: ", " ");
  if (!server.empty()) return std::string(server);
  return absl::StrCat("HTTP ", absl::StripSuffix(status, ")"));
}

absl::Status ExplainS3Error(const absl::Status& status, const Uri& uri, const S3Settings& settings) {
  if (status.ok()) return status;
  const std::string name = S3ErrorName(status.message());
  const auto known = std::find_if(kKnown.begin(), kKnown.end(), [&](const Known& one) { return one.name == name; });
  if (known == kKnown.end()) return status;
  const Explanation explanation = Explain(known->kind, uri.path().substr(0, uri.path().find('/')), settings);
  if (known->kind == Kind::kMissing) return absl::NotFoundError(absl::StrCat(uri.ToString(), ": not found"));
  absl::string_view original = status.message();
  absl::ConsumePrefix(&original, absl::StrCat(uri.ToString(), ": "));
  return absl::Status(explanation.code, absl::StrCat(uri.ToString(), ": ", explanation.words, ". It said: ", original));
}

}  // namespace besa::storage
