#include "storage/object/s3_error.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace besa::storage {
namespace {

using ::testing::HasSubstr;

TEST(S3ErrorTest, FindsTheNameWhereverItStands) {
  EXPECT_EQ(S3ErrorName("When reading: AWS Error NO_SUCH_KEY during GetObject operation: gone"), "NO_SUCH_KEY");
  EXPECT_EQ(S3ErrorName("AWS Error UNKNOWN (HTTP status 400) during ListObjectsV2 operation: Unable to parse "
                        "ExceptionName: AuthorizationHeaderMalformed Message: the region is wrong"),
            "AuthorizationHeaderMalformed");
  EXPECT_EQ(S3ErrorName("AWS Error UNKNOWN (HTTP status 403) during HeadObject operation: No response body."),
            "HTTP 403");
  EXPECT_EQ(S3ErrorName("Path does not exist"), "");
}

struct Case {
  const char* error;
  absl::StatusCode code;
  const char* words;
};

class S3ErrorCaseTest : public testing::TestWithParam<Case> {};

TEST_P(S3ErrorCaseTest, SaysWhatToCheck) {
  const S3Settings settings{.endpoint = "https://s3.example.com", .region = "eu-west-1", .keys_from = "profile team"};
  const Uri uri = *Uri::Parse("s3://models/llama/config.json");
  const absl::Status status =
      ExplainS3Error(absl::UnavailableError(absl::StrCat(uri.ToString(), ": AWS Error ", GetParam().error,
                                                         " during Some operation: text")),
                     uri, settings);
  EXPECT_EQ(status.code(), GetParam().code) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("s3://models/llama/config.json: "));
  EXPECT_THAT(std::string(status.message()), HasSubstr(GetParam().words));
}

INSTANTIATE_TEST_SUITE_P(
    Errors, S3ErrorCaseTest,
    testing::Values(
        Case{"NO_SUCH_KEY", absl::StatusCode::kNotFound, "not found"},
        Case{"NO_SUCH_BUCKET", absl::StatusCode::kFailedPrecondition, "no bucket models at https://s3.example.com"},
        Case{"INVALID_ACCESS_KEY_ID", absl::StatusCode::kPermissionDenied, "from profile team"},
        Case{"ACCESS_DENIED", absl::StatusCode::kPermissionDenied, "the rights of the key"},
        Case{"UNKNOWN (HTTP status 301)", absl::StatusCode::kFailedPrecondition, "signed for region eu-west-1"},
        Case{"SLOW_DOWN", absl::StatusCode::kUnavailable, "could not serve the request now"},
        Case{"NO_SUCH_UPLOAD", absl::StatusCode::kUnavailable, "could not serve"},
        Case{"NETWORK_CONNECTION", absl::StatusCode::kUnavailable, "cannot reach https://s3.example.com"},
        Case{"UNKNOWN (HTTP status 507)", absl::StatusCode::kResourceExhausted, "no room in bucket models"},
        Case{"REQUEST_TIME_TOO_SKEWED", absl::StatusCode::kFailedPrecondition, "check the clocks"}));

TEST(S3ErrorTest, OtherErrorsStayAsTheyAre) {
  const Uri uri = *Uri::Parse("s3://models/file");
  const absl::Status status = absl::NotFoundError("s3://models/file: not found");
  EXPECT_EQ(ExplainS3Error(status, uri, {}), status);
  EXPECT_TRUE(ExplainS3Error(absl::OkStatus(), uri, {}).ok());
}

}  // namespace
}  // namespace besa::storage
