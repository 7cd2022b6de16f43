#include "storage/base/error_info.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace besa {
namespace {

TEST(ErrorInfoTest, FieldErrorNamesFieldValueAndExpectation) {
  const absl::Status status = FieldError("sparsity", "1.2", "a number between 0 and 1, both excluded");
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), "sparsity: 1.2 is not valid; expected a number between 0 and 1, both excluded");
  const auto info = GetErrorInfo(status);
  ASSERT_TRUE(info.has_value());
  EXPECT_EQ(info->reason, "FIELD_INVALID");
  EXPECT_EQ(info->metadata.at("field"), "sparsity");
  EXPECT_EQ(info->metadata.at("value"), "1.2");
}

TEST(ErrorInfoTest, ValuesThatAreNotUtf8AreCarriedReplaced) {
  const auto info = GetErrorInfo(FieldError("model_uri", "\xff", "a path"));
  ASSERT_TRUE(info.has_value());
  EXPECT_EQ(info->metadata.at("value"), "\xEF\xBF\xBD");
}

TEST(ErrorInfoTest, PlainStatusCarriesNone) {
  EXPECT_EQ(GetErrorInfo(absl::OkStatus()), std::nullopt);
  EXPECT_EQ(GetErrorInfo(absl::InternalError("x")), std::nullopt);
}

}  // namespace
}  // namespace besa
