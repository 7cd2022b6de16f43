#include "server/state/page_token.h"

#include <gtest/gtest.h>

namespace besa::server {
namespace {

TEST(PageToken, LeadsBackToItsPosition) {
  EXPECT_EQ(*ParsePageToken("jobs state=FAILED", MakePageToken("jobs state=FAILED", "42")), "42");
  EXPECT_EQ(*ParsePageToken("jobs", ""), "");
}

TEST(PageToken, OfAnotherRequestIsRefused) {
  const std::string token = MakePageToken("jobs state=FAILED", "42");
  for (const std::string& bad : {token, std::string("42"), std::string("???"), token.substr(1)}) {
    const auto position = ParsePageToken("jobs", bad);
    ASSERT_FALSE(position.ok());
    EXPECT_EQ(position.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_NE(position.status().message().find("page_token"), absl::string_view::npos);
  }
}

TEST(PageSize, HasADefaultAndALimit) {
  EXPECT_EQ(*CheckPageSize(0, 50, 1000), 50);
  EXPECT_EQ(*CheckPageSize(7, 50, 1000), 7);
  EXPECT_EQ(*CheckPageSize(5000, 50, 1000), 1000);
  EXPECT_EQ(CheckPageSize(-1, 50, 1000).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace besa::server
