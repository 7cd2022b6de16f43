#include "proto/json.h"

#include "besa/v1/job.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace besa {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(ToJsonTest, HasEveryFieldUnderTheNameOfTheProtoFile) {
  v1::CalibrationSpec calibration;
  calibration.set_sequence_length(2048);
  EXPECT_THAT(*ToJson(calibration), AllOf(HasSubstr(R"("sequence_length":2048)"), HasSubstr(R"("samples":0)"),
                                          HasSubstr(R"("uris":[])"), Not(HasSubstr("\n"))));
}

TEST(ToJsonTest, Writes64BitIntegersAsStrings) {
  v1::Job job;
  job.set_version(9007199254740993);
  EXPECT_THAT(*ToJson(job), HasSubstr(R"("version":"9007199254740993")"));
}

}  // namespace
}  // namespace besa
