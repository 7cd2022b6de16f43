#include "storage/safetensors/dtype.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace besa::storage {
namespace {

TEST(DTypeTest, NamesAndValuesAgree) {
  for (int i = 0; i <= static_cast<int>(DType::kC64); ++i) {
    const auto dtype = static_cast<DType>(i);
    EXPECT_EQ(ParseDType(ToString(dtype)).value(), dtype) << ToString(dtype);
  }
}

TEST(DTypeTest, Sizes) {
  EXPECT_EQ(ElementSize(DType::kBool), 1);
  EXPECT_EQ(ElementSize(DType::kF8E5M2), 1);
  EXPECT_EQ(ElementSize(DType::kBF16), 2);
  EXPECT_EQ(ElementSize(DType::kF32), 4);
  EXPECT_EQ(ElementSize(DType::kI64), 8);
  EXPECT_EQ(ElementSize(DType::kC64), 8);
}

TEST(DTypeTest, RefusesOtherNames) {
  for (const std::string name : {"", "bf16", "F4", "F6_E2M3", "F128", "\xFF"}) {
    EXPECT_EQ(ParseDType(name).status().code(), absl::StatusCode::kInvalidArgument) << name;
  }
  EXPECT_THAT(std::string(ParseDType("F4").status().message()), testing::HasSubstr("F4 is not valid"));
}

}  // namespace
}  // namespace besa::storage
