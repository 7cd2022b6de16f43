#include "client/cli/error_text.h"

#include "client/cli/exit_code.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "storage/base/error_info.h"

namespace besa::client {
namespace {

TEST(ErrorTextTest, NamesFieldFlagValueAndWhatWasExpected) {
  EXPECT_EQ(DescribeError(FieldError("calibration.samples", "-1", "a number above 0")),
            "calibration.samples: -1 is not valid; expected a number above 0 (--samples)");
  EXPECT_EQ(DescribeError(FieldError("job.spec.evaluations[1].uris", "/no/such", "a file that exists")),
            "job.spec.evaluations[1].uris: /no/such is not valid; expected a file that exists (--evaluate)");
}

TEST(ErrorTextTest, WhatTheMessageLeavesOutFollows) {
  const auto status = ErrorWithInfo(
      absl::StatusCode::kInvalidArgument, "unsupported\nactivation",
      {.reason = "ACTIVATION", .metadata = {{"field", "hidden_act"}, {"value", "gelu"}, {"expected", "silu"}}});
  EXPECT_EQ(DescribeError(status), "unsupported activation; field: hidden_act; value: gelu; expected: silu");
}

TEST(ErrorTextTest, WhatIsNotThereIsSaidToBeNotFound) {
  EXPECT_EQ(DescribeError(absl::NotFoundError("there is no jobs/j9")), "not found: there is no jobs/j9");
  EXPECT_EQ(DescribeError(absl::NotFoundError("jobs/j9: not found")), "jobs/j9: not found");
}

TEST(ErrorTextTest, AnErrorWithoutAMessageStillSaysSomething) {
  EXPECT_EQ(DescribeError(absl::InternalError("")), "INTERNAL");
}

TEST(ErrorTextTest, JsonCarriesCodeReasonAndFacts) {
  const auto json = nlohmann::json::parse(ErrorJson(FieldError("sparsity", "1.2", "less than 1")));
  EXPECT_EQ(json["error"]["code"], "INVALID_ARGUMENT");
  EXPECT_EQ(json["error"]["reason"], "FIELD_INVALID");
  EXPECT_EQ(json["error"]["metadata"]["value"], "1.2");
}

TEST(ExitCodeTest, ScriptsCanTellWhatHappened) {
  EXPECT_EQ(ExitCodeOf(absl::OkStatus()), 0);
  EXPECT_EQ(ExitCodeOf(absl::InvalidArgumentError("")), 2);
  EXPECT_EQ(ExitCodeOf(absl::NotFoundError("")), 3);
  EXPECT_EQ(ExitCodeOf(absl::FailedPreconditionError("")), 3);
  EXPECT_EQ(ExitCodeOf(absl::AlreadyExistsError("")), 3);
  EXPECT_EQ(ExitCodeOf(absl::PermissionDeniedError("")), 3);
  // A path outside the allowed folders is an argument that cannot be used.
  EXPECT_EQ(ExitCodeOf(ErrorWithInfo(absl::StatusCode::kPermissionDenied, "",
                                     {.reason = "PATH_NOT_ALLOWED", .metadata = {{"field", "model_uri"}}})),
            2);
  EXPECT_EQ(ExitCodeOf(absl::UnavailableError("")), 4);
  EXPECT_EQ(ExitCodeOf(absl::DeadlineExceededError("")), 4);
  EXPECT_EQ(ExitCodeOf(absl::InternalError("")), 4);
  EXPECT_EQ(ExitCodeOf(v1::JOB_STATE_SUCCEEDED), 0);
  EXPECT_EQ(ExitCodeOf(v1::JOB_STATE_FAILED), 1);
  EXPECT_EQ(ExitCodeOf(v1::JOB_STATE_CANCELLED), 5);
}

}  // namespace
}  // namespace besa::client
