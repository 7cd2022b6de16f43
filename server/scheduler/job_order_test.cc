#include "server/scheduler/job_order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace besa::server {
namespace {

using ::testing::ElementsAre;

TEST(JobOrder, AHigherPriorityComesFirstWhateverRuns) {
  EXPECT_THAT(OrderJobs({{"low", -5, 0}, {"normal", 0, 0}, {"high", 10, 7}}, ""), ElementsAre("high", "normal", "low"));
}

TEST(JobOrder, TheJobWithTheFewestWorkersComesFirstThenTheOldest) {
  EXPECT_THAT(OrderJobs({{"old", 0, 2}, {"new", 0, 1}, {"newer", 0, 1}}, ""), ElementsAre("new", "newer", "old"));
}

TEST(JobOrder, AWorkerStaysWithItsJobWhileTheSharesAreEven) {
  // Its last task is committed: two workers each before, one less of its own job now.
  EXPECT_THAT(OrderJobs({{"other", 0, 2}, {"own", 0, 1}}, "own"), ElementsAre("own", "other"));
  EXPECT_THAT(OrderJobs({{"other", 0, 1}, {"own", 0, 1}}, "own"), ElementsAre("own", "other"));
  EXPECT_THAT(OrderJobs({{"other", 0, 1}, {"own", 0, 2}}, "own"), ElementsAre("other", "own"));
}

// Eight workers, three jobs that come one after the other: within one task each the fleet is shared evenly.
TEST(JobOrder, AFleetIsSharedEvenlyAndStaysSo) {
  std::map<std::string, int64_t> running;
  std::vector<std::string> job_of_worker(8);
  const auto ask = [&](size_t worker, const std::vector<std::string>& jobs) {
    if (!job_of_worker[worker].empty()) --running[job_of_worker[worker]];
    std::vector<WorkRef> work;
    for (const std::string& job : jobs) work.push_back({job, 0, running[job]});
    job_of_worker[worker] = OrderJobs(work, job_of_worker[worker]).front();
    ++running[job_of_worker[worker]];
  };
  const std::vector<std::string> jobs = {"a", "b", "c"};
  for (size_t count = 1; count <= jobs.size(); ++count) {
    const std::vector<std::string> there(jobs.begin(), jobs.begin() + static_cast<std::ptrdiff_t>(count));
    for (size_t worker = 0; worker < 8; ++worker) ask(worker, there);
    for (const std::string& job : there) {
      EXPECT_GE(running[job], static_cast<int64_t>(8 / count)) << job << " of " << count;
    }
  }
  const std::vector<std::string> before = job_of_worker;
  for (size_t worker = 0; worker < 8; ++worker) ask(worker, jobs);
  EXPECT_EQ(job_of_worker, before) << "nobody changes jobs, and walks through another model, without need";
}

}  // namespace
}  // namespace besa::server
