#include "server/publisher/orphans.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "server/scheduler/coordinator_testing.h"
#include "storage/object/open_store.h"

namespace besa::server {
namespace {

using testing::CoordinatorBench;
using testing::TempFolder;
using testing::TestWorker;
using testing::WriteFile;

class OrphansTest : public ::testing::Test {
 protected:
  OrphansTest() {
    EXPECT_TRUE(bench_.Register(worker_).ok());
    job_ = bench_.CreateJob(2, /*evaluation=*/false);
  }

  std::filesystem::path Folder(const std::string& path) { return workspace_.path() / job_.substr(5) / path; }
  void Write(const std::string& path) { WriteFile(Folder(path) / "shard.safetensors", "x"); }
  void Sweep() {
    const absl::Status swept = SweepOrphans(*bench_.coordinator, *store_,
                                            *storage::Uri::Parse(workspace_.path().string()), bench_.clock.Now());
    ASSERT_TRUE(swept.ok()) << swept;
  }
  void PassTwoTerms() { bench_.clock.Advance(2 * bench_.options.lease_term); }

  CoordinatorBench bench_;
  TempFolder workspace_;
  std::unique_ptr<storage::ObjectStore> store_ =
      *storage::OpenStore({.allowed_prefixes = {workspace_.path().string()}});
  const TestWorker worker_;
  std::string job_;
};

TEST_F(OrphansTest, WhatAnAttemptThatLostWroteLateIsDeletedAndNothingElse) {
  const auto first = bench_.Lease(worker_, "r1")->assignment();
  ASSERT_TRUE(bench_.Fail(worker_, first, v1::FAILURE_REASON_STORAGE).ok());
  const auto second = bench_.Lease(worker_, "r2")->assignment();
  Write("attempts/prepare-1");
  Write("attempts/prepare-2");
  Write("boundaries/00001");
  Sweep();
  EXPECT_TRUE(std::filesystem::exists(Folder("attempts/prepare-1"))) << "it may still be writing";
  PassTwoTerms();
  Sweep();
  EXPECT_FALSE(std::filesystem::exists(Folder("attempts/prepare-1")));
  EXPECT_TRUE(std::filesystem::exists(Folder("attempts/prepare-2"))) << "it runs";
  ASSERT_TRUE(bench_.Commit(worker_, second).ok());
  PassTwoTerms();
  Sweep();
  EXPECT_TRUE(std::filesystem::exists(Folder("attempts/prepare-2"))) << "it is committed";
  EXPECT_TRUE(std::filesystem::exists(Folder("boundaries/00001"))) << "it is no attempt's";
}

TEST_F(OrphansTest, AnExpiredAttemptThatMayStillComeBackIsLeftAlone) {
  const auto assignment = bench_.Lease(worker_, "r1")->assignment();
  Write("attempts/prepare-1");
  ASSERT_TRUE(bench_.housekeeper->Tick().ok());
  bench_.clock.Advance(bench_.options.lease_term);
  ASSERT_TRUE(bench_.housekeeper->Tick().ok());
  PassTwoTerms();
  Sweep();
  EXPECT_TRUE(std::filesystem::exists(Folder("attempts/prepare-1")));
  EXPECT_TRUE(bench_.Commit(worker_, assignment).ok());
}

TEST_F(OrphansTest, WhatAppearsInTheFolderOfAJobThatIsDoneOrDeletedIsDeleted) {
  ASSERT_TRUE(bench_.coordinator->CancelJob(job_).ok());
  Write("attempts/prepare-1");
  Sweep();
  EXPECT_TRUE(std::filesystem::exists(Folder("attempts/prepare-1")));
  PassTwoTerms();
  Sweep();
  EXPECT_FALSE(std::filesystem::exists(Folder("")));

  ASSERT_TRUE(bench_.coordinator->DeleteJob(job_).ok());
  Write("attempts/prepare-1");
  Sweep();
  EXPECT_FALSE(std::filesystem::exists(Folder("")));
}

TEST_F(OrphansTest, AFolderOfAnybodyElseIsNeverTouched) {
  WriteFile(workspace_.path() / "somebody" / "attempts" / "prepare-1" / "file", "x");
  WriteFile(workspace_.path() / "loose-file", "x");
  PassTwoTerms();
  Sweep();
  EXPECT_TRUE(std::filesystem::exists(workspace_.path() / "somebody" / "attempts" / "prepare-1" / "file"));
  EXPECT_TRUE(std::filesystem::exists(workspace_.path() / "loose-file"));
}

}  // namespace
}  // namespace besa::server
