#include "client/cli/log_text.h"

#include "client/testing/messages.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace besa::client {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

v1::ListTasksResponse SomeTasks() {
  v1::ListTasksResponse tasks;
  *tasks.add_tasks() = MakeCommittedBlock(0);
  tasks.mutable_tasks(0)->mutable_attempts(0)->add_log_tail("block 0: 500 of 1000 weights are zero");
  v1::Task& again = *tasks.add_tasks();
  again = MakeBlockTask(1, v1::TASK_STATE_LEASED);
  for (int number = 1; number <= 2; ++number) {
    v1::Attempt& attempt = *again.add_attempts();
    attempt.set_number(number);
    attempt.set_worker("workers/w2");
    attempt.set_outcome(v1::ATTEMPT_OUTCOME_FAILED);
    attempt.set_reason(v1::FAILURE_REASON_STORAGE);
    attempt.set_message("the store is away");
    attempt.mutable_end_time()->set_seconds(1'700'000'000 + number);
    attempt.add_log_tail("try " + std::to_string(number));
  }
  v1::Attempt& running = *again.add_attempts();
  running.set_number(3);
  running.set_worker("workers/w1");
  again.mutable_progress()->add_log_tail("leased");
  return tasks;
}

TEST(LogText, TheLatestFailureComesFirst) {
  const std::string text = DescribeLogs(SomeTasks(), /*failed_only=*/false);
  EXPECT_THAT(text, StartsWith("== prune-00001, attempt 2, workers/w2: FAILED, STORAGE, "));
  EXPECT_THAT(text, HasSubstr("the store is away\ntry 2\n"));
  EXPECT_LT(text.find("try 2"), text.find("try 1"));
  EXPECT_LT(text.find("try 1"), text.find("attempt 3, workers/w1: runs\nleased\n"));
  EXPECT_LT(text.find("runs\nleased"), text.find("block 0: 500 of 1000"));
}

TEST(LogText, FailuresAloneOnRequest) {
  const std::string text = DescribeLogs(SomeTasks(), /*failed_only=*/true);
  EXPECT_THAT(text, HasSubstr("try 1"));
  EXPECT_THAT(text, Not(HasSubstr("leased")));
  EXPECT_THAT(text, Not(HasSubstr("block 0")));
  EXPECT_EQ(DescribeLogs({}, true), "no attempt failed\n");
  EXPECT_EQ(DescribeLogs({}, false), "nothing was logged yet\n");
}

}  // namespace
}  // namespace besa::client
