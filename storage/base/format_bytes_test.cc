#include "storage/base/format_bytes.h"

#include "gtest/gtest.h"

namespace besa {
namespace {

TEST(FormatBytesTest, OneDecimalOfTheLargestFittingUnit) {
  EXPECT_EQ(FormatBytes(512), "512 B");
  EXPECT_EQ(FormatBytes(1024), "1.0 KiB");
  EXPECT_EQ(FormatBytes(5'662'310), "5.4 MiB");
  EXPECT_EQ(FormatBytes((int64_t{1} << 20) - 1), "1.0 MiB");
  EXPECT_EQ(FormatBytes(int64_t{129} << 30), "129.0 GiB");
  EXPECT_EQ(FormatBytes(int64_t{5000} << 40), "5000.0 TiB");
}

}  // namespace
}  // namespace besa
