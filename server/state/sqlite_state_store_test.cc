#include "server/state/sqlite_state_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include "server/state/sqlite_migrations.h"
#include "server/state/state_store_conformance.h"
#include "server/testing/temp_folder.h"
#include "storage/base/error_info.h"

namespace besa::server {
namespace {

using testing::SomeJob;
using testing::StateStoreConformance;
using testing::TempFolder;

class SqliteBackend : public testing::StateBackend {
 public:
  std::unique_ptr<StateStore> Open() override {
    auto store = SqliteStateStore::Open({.path = folder_.path() / "state.db"}, Clock::Real());
    EXPECT_TRUE(store.ok()) << store.status();
    return *std::move(store);
  }

 private:
  TempFolder folder_;
};

std::unique_ptr<testing::StateBackend> MakeSqliteBackend() { return std::make_unique<SqliteBackend>(); }

INSTANTIATE_TEST_SUITE_P(Sqlite, StateStoreConformance, ::testing::Values(&MakeSqliteBackend));

std::string Reason(const absl::Status& status) {
  const auto info = GetErrorInfo(status);
  return info ? info->reason : "";
}

class SqliteStateStoreTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::unique_ptr<SqliteStateStore>> Open(int64_t keep_events = 1000) {
    return SqliteStateStore::Open({.path = path_, .keep_events = keep_events}, Clock::Real());
  }

  TempFolder folder_;
  const std::string path_ = folder_.path() / "state.db";
};

TEST_F(SqliteStateStoreTest, TheFileHasOneCoordinatorAtATime) {
  auto first = Open();
  ASSERT_TRUE(first.ok()) << first.status();
  const auto second = Open();
  EXPECT_TRUE(absl::IsFailedPrecondition(second.status()));
  EXPECT_EQ(Reason(second.status()), "STATE_IN_USE");
  first->reset();
  EXPECT_TRUE(Open().ok());
}

TEST_F(SqliteStateStoreTest, AFileThatIsNoDatabaseIsRefused) {
  std::ofstream(path_) << std::string(5000, 'x');
  EXPECT_TRUE(absl::IsDataLoss(Open().status())) << Open().status();
}

TEST_F(SqliteStateStoreTest, AFolderThatIsMissingIsNamed) {
  const auto store = SqliteStateStore::Open({.path = folder_.path() / "missing" / "state.db"}, Clock::Real());
  EXPECT_TRUE(absl::IsFailedPrecondition(store.status()));
  EXPECT_NE(store.status().message().find("missing"), absl::string_view::npos);
}

TEST_F(SqliteStateStoreTest, OnlyTheLastEventsAreKept) {
  auto store = *Open(/*keep_events=*/3);
  ASSERT_TRUE(store->CreateJob(SomeJob("j1")).ok());
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(store
                    ->UpdateJob("j1",
                                [](JobRows rows) {
                                  rows.job.job.set_version(rows.job.job.version() + 1);
                                  JobChanges changes;
                                  changes.events.emplace_back().set_version(rows.job.job.version());
                                  changes.job = rows.job;
                                  return changes;
                                })
                    .ok());
  }
  EXPECT_TRUE(store->ReadEvents("j1", 2, 10)->too_old);
  EXPECT_EQ(store->ReadEvents("j1", 3, 10)->events.size(), 3u);
}

// What a crash leaves behind is the files as they are at that instant, the log not yet written back.
TEST_F(SqliteStateStoreTest, StateIsWholeAfterACrashAtAnyInstant) {
  auto store = *Open();
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(store->CreateJob(SomeJob("j" + std::to_string(i))).ok());
    const std::filesystem::path crashed = folder_.path() / ("crash-" + std::to_string(i));
    std::filesystem::create_directory(crashed);
    for (const char* suffix : {"", "-wal"}) {
      std::filesystem::copy_file(path_ + suffix, (crashed / "state.db").string() + suffix);
    }
    const auto after = SqliteStateStore::Open({.path = crashed / "state.db"}, Clock::Real());
    ASSERT_TRUE(after.ok()) << after.status();
    ASSERT_EQ((*after)->ListJobs(100, 0, {})->jobs.size(), static_cast<size_t>(i + 1));
    EXPECT_EQ((*after)->ReadJob("j" + std::to_string(i))->tasks.size(), 3u);
  }
}

TEST_F(SqliteStateStoreTest, WhatWasAcknowledgedSurvivesAKill) {
  int acknowledged[2];
  ASSERT_EQ(pipe(acknowledged), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    auto store = Open();
    for (int i = 0; store.ok() && (*store)->CreateJob(SomeJob("j" + std::to_string(i))).ok(); ++i) {
      if (write(acknowledged[1], &i, sizeof(i)) != sizeof(i)) break;
    }
    _exit(1);
  }
  close(acknowledged[1]);
  int last = -1;
  while (last < 40) ASSERT_EQ(read(acknowledged[0], &last, sizeof(last)), static_cast<ssize_t>(sizeof(last)));
  kill(child, SIGKILL);
  // It may have gone on until the signal arrived.
  for (int more; read(acknowledged[0], &more, sizeof(more)) == static_cast<ssize_t>(sizeof(more));) last = more;
  close(acknowledged[0]);
  ASSERT_EQ(waitpid(child, nullptr, 0), child);

  auto store = Open();
  ASSERT_TRUE(store.ok()) << store.status();
  for (int i = 0; i <= last; ++i) EXPECT_EQ((*store)->ReadJob("j" + std::to_string(i))->tasks.size(), 3u) << i;
}

TEST_F(SqliteStateStoreTest, OneStepThatFailsLeavesThoseItWasWrittenWithAlone) {
  auto store = *Open();
  ASSERT_TRUE(store->CreateJob(SomeJob("j1")).ok());
  std::vector<std::thread> threads;
  std::atomic<int> refused = 0;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 25; ++i) {
        if (t % 2 == 0) {
          EXPECT_TRUE(store
                          ->UpdateJob("j1",
                                      [](JobRows rows) {
                                        rows.job.job.set_version(rows.job.job.version() + 1);
                                        JobChanges changes;
                                        changes.job = rows.job;
                                        return changes;
                                      })
                          .ok());
        } else {
          // Refused after some of it was written: the output is reserved.
          CreateJobRow rival = SomeJob("rival");
          rival.rows.job.output_key = "/out/j1";
          refused += absl::IsFailedPrecondition(store->CreateJob(rival).status()) ? 1 : 0;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(store->ReadJob("j1")->job.job.version(), 101);
  EXPECT_EQ(refused, 100);
  EXPECT_TRUE(absl::IsNotFound(store->ReadJob("rival").status()));
}

class SqliteMigrationsTest : public SqliteStateStoreTest {
 protected:
  const absl::Time now_ = absl::FromUnixSeconds(1'750'000'000);
};

TEST_F(SqliteMigrationsTest, RunInOrderAndOnce) {
  auto connection = *SqliteConnection::Open(path_);
  const SqlMigration first{1, "table", "CREATE TABLE things (name TEXT)"};
  const SqlMigration second{2, "row", "INSERT INTO things VALUES ('one')"};
  ASSERT_TRUE(MigrateSqlite(*connection, {first}, now_).ok());
  ASSERT_TRUE(MigrateSqlite(*connection, {first, second}, now_).ok());
  ASSERT_TRUE(MigrateSqlite(*connection, {first, second}, now_).ok());
  int64_t things = 0;
  ASSERT_TRUE(connection
                  ->Query(
                      [&](const SqlRow& row) {
                        things = row.Int(0);
                        return absl::OkStatus();
                      },
                      "SELECT COUNT(*) FROM things")
                  .ok());
  EXPECT_EQ(things, 1);
}

TEST_F(SqliteMigrationsTest, AStepThatFailsLeavesNothingBehind) {
  auto connection = *SqliteConnection::Open(path_);
  const SqlMigration broken{1, "broken", "CREATE TABLE things (name TEXT); CREATE TABLE things (name TEXT)"};
  EXPECT_FALSE(MigrateSqlite(*connection, {broken}, now_).ok());
  EXPECT_TRUE(MigrateSqlite(*connection, {{1, "mended", "CREATE TABLE things (name TEXT)"}}, now_).ok());
}

// What the first release left behind is brought up to date with all that is in it.
TEST_F(SqliteMigrationsTest, ADatabaseOfTheFirstReleaseIsBroughtUpToDate) {
  {
    auto connection = *SqliteConnection::Open(path_);
    ASSERT_TRUE(
        connection
            ->Script("CREATE TABLE migrations (number INTEGER PRIMARY KEY, name TEXT NOT NULL, time INTEGER NOT "
                     "NULL); INSERT INTO migrations VALUES (1, 'jobs', 0);")
            .ok());
    ASSERT_TRUE(connection->Script(SqliteMigrations().front().sql).ok());
    ASSERT_TRUE(connection->Script("INSERT INTO workers VALUES ('workers/a', 'i1', 7, 0, 0, 0, '')").ok());
  }
  const auto store = Open();
  ASSERT_TRUE(store.ok()) << store.status();
  EXPECT_EQ((*store)->ReadFleet()->largest_memory_bytes, 7);
  EXPECT_FALSE((*store)->ReadWorker("workers/a")->worker.draining());
}

TEST_F(SqliteMigrationsTest, ANewerDatabaseIsRefusedNamingBothSchemas) {
  {
    auto connection = *SqliteConnection::Open(path_);
    std::vector<SqlMigration> newer = SqliteMigrations();
    newer.push_back({1000, "from the future", "CREATE TABLE future (x INTEGER)", 1000});
    ASSERT_TRUE(MigrateSqlite(*connection, newer, now_).ok());
  }
  const auto store = Open();
  EXPECT_TRUE(absl::IsFailedPrecondition(store.status()));
  EXPECT_EQ(Reason(store.status()), "SCHEMA_TOO_NEW");
  EXPECT_NE(store.status().message().find("1000"), absl::string_view::npos);
}

}  // namespace
}  // namespace besa::server
