#include "worker/text/windows.h"

#include <numeric>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/base/error_info.h"

namespace besa::text {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TokenText Counting(int tokens) {
  TokenText text;
  text.ids.resize(static_cast<size_t>(tokens));
  std::iota(text.ids.begin(), text.ids.end(), 0);
  return text;
}

TokenText Rows(int tokens, int64_t row_length) {
  TokenText text = Counting(tokens);
  text.row_length = row_length;
  return text;
}

WindowRequest Request(int64_t count, int64_t length) {
  return {.name = "calibration", .files = "/text.txt", .count = count, .length = length};
}

std::string Field(const absl::Status& status) { return GetErrorInfo(status).value_or(ErrorInfo{}).metadata["field"]; }

TEST(DrawWindowsTest, DrawsTheSameWindowsOnEveryMachine) {
  const auto windows = DrawWindows(Counting(1000), Request(4, 3), /*seed=*/7);
  ASSERT_TRUE(windows.ok()) << windows.status();
  EXPECT_EQ(windows->count, 4);
  EXPECT_EQ(windows->length, 3);
  SCOPED_TRACE("a change here changes every output that users pinned by its seed");
  EXPECT_THAT(windows->ids, ElementsAre(621, 622, 623, 36, 37, 38, 210, 211, 212, 225, 226, 227));
}

TEST(DrawWindowsTest, AnotherSeedDrawsOthers) {
  EXPECT_NE(DrawWindows(Counting(1000), Request(4, 3), 7)->ids, DrawWindows(Counting(1000), Request(4, 3), 8)->ids);
}

TEST(DrawWindowsTest, ATextOfOneWindowIsDrawnWhole) {
  EXPECT_THAT(DrawWindows(Counting(3), Request(2, 3), 0)->ids, ElementsAre(0, 1, 2, 0, 1, 2));
}

TEST(DrawWindowsTest, ReachesBothEndsOfTheText) {
  const auto windows = DrawWindows(Counting(5), Request(200, 3), 0);
  EXPECT_THAT(windows->ids, ::testing::Contains(0));
  EXPECT_THAT(windows->ids, ::testing::Contains(4));
}

TEST(DrawWindowsTest, ATextShorterThanAWindowNamesFieldTokensAndNeed) {
  const auto status = DrawWindows(Counting(255), Request(1, 256), 0).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Field(status), "calibration.uris");
  EXPECT_THAT(std::string(status.message()), HasSubstr("255 tokens"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("256"));
}

TEST(DrawWindowsTest, RowsOfIdsAreTakenAsTheyAre) {
  EXPECT_THAT(DrawWindows(Rows(12, 4), Request(2, 4), 99)->ids, ElementsAre(0, 1, 2, 3, 4, 5, 6, 7));
  EXPECT_EQ(Field(DrawWindows(Rows(12, 4), Request(4, 4), 0).status()), "calibration.samples");
  EXPECT_EQ(Field(DrawWindows(Rows(12, 4), Request(2, 3), 0).status()), "calibration.sequence_length");
}

TEST(FirstWindowsTest, AreConsecutive) {
  EXPECT_THAT(FirstWindows(Counting(10), Request(2, 3))->ids, ElementsAre(0, 1, 2, 3, 4, 5));
}

TEST(FirstWindowsTest, ZeroMeansAllWholeOnes) {
  EXPECT_EQ(FirstWindows(Counting(10), Request(0, 3))->count, 3);
  EXPECT_EQ(FirstWindows(Rows(12, 4), Request(0, 4))->count, 3);
}

TEST(FirstWindowsTest, AStrideLessThanAWindowMakesThemOverlap) {
  WindowRequest request = Request(0, 4);
  request.stride = 3;
  const auto windows = FirstWindows(Counting(12), request);
  ASSERT_TRUE(windows.ok()) << windows.status();
  EXPECT_EQ(windows->count, 3);
  EXPECT_THAT(windows->ids, ElementsAre(0, 1, 2, 3, 3, 4, 5, 6, 6, 7, 8, 9));
}

TEST(FirstWindowsTest, AStrideLeavesNothingOutAndKeepsRowsApart) {
  WindowRequest request = Request(0, 4);
  request.stride = 5;
  EXPECT_EQ(Field(FirstWindows(Counting(12), request).status()), "calibration.stride");
  request.stride = 3;
  EXPECT_EQ(Field(FirstWindows(Rows(12, 4), request).status()), "calibration.stride");
}

TEST(FirstWindowsTest, NeverMeasuresFewerThanAsked) {
  const auto status = FirstWindows(Counting(10), Request(4, 3)).status();
  EXPECT_EQ(Field(status), "calibration.windows");
  EXPECT_THAT(std::string(status.message()), HasSubstr("at most 3"));
}

// python3: hashlib.sha256(numpy.array([1, 2, 70000], dtype="<i4").tobytes()).hexdigest()
TEST(IdsSha256Test, IsOfLittleEndianInt32) {
  EXPECT_EQ(IdsSha256(std::vector<int32_t>{1, 2, 70000}),
            "313a9de55e88265f756e61a8793c45193dade4a5b645f7f35082452e6b133604");
}

}  // namespace
}  // namespace besa::text
