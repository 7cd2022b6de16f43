#include "server/state/names.h"

#include <gtest/gtest.h>

namespace besa::server {
namespace {

TEST(Names, AJobNameHoldsItsId) {
  EXPECT_EQ(*ParseJobName("name", "jobs/k3v9"), "k3v9");
  EXPECT_EQ(JobName("k3v9"), "jobs/k3v9");
}

TEST(Names, ATaskNameHoldsJobAndTask) {
  const auto name = ParseTaskName("name", MakeTaskName("k3v9", "prune-00012"));
  ASSERT_TRUE(name.ok()) << name.status();
  EXPECT_EQ(name->job_id, "k3v9");
  EXPECT_EQ(name->task_id, "prune-00012");
}

TEST(Names, MalformedNamesAreRefusedNamingFieldAndValue) {
  for (const char* bad : {"", "k3v9", "jobs/", "jobs/a/b", "job/a", "jobs/a b", "jobs/../x", "jobs/a\nb"}) {
    const auto id = ParseJobName("parent", bad);
    ASSERT_FALSE(id.ok()) << bad;
    EXPECT_EQ(id.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_NE(id.status().message().find("parent"), absl::string_view::npos);
    EXPECT_NE(id.status().message().find(bad), absl::string_view::npos);
  }
  EXPECT_FALSE(ParseTaskName("name", "jobs/a/task/b").ok());
  EXPECT_FALSE(CheckWorkerName("worker", "workers/").ok());
  EXPECT_TRUE(CheckWorkerName("worker", "workers/host-1:cuda:0").ok());
}

}  // namespace
}  // namespace besa::server
