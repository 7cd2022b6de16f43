#include "server/state/postgres_state_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <future>
#include <thread>

#include "absl/strings/str_cat.h"

#include "server/state/postgres_database.h"
#include "server/state/postgres_migrations.h"
#include "server/state/state_store_conformance.h"
#include "server/testing/postgres_server.h"
#include "storage/base/error_info.h"

namespace besa::server {
namespace {

using testing::PostgresServer;
using testing::SomeJob;
using testing::StateStoreConformance;

std::unique_ptr<PostgresStateStore> OpenStore(const std::string& database, int64_t keep_events = 1000) {
  auto store = PostgresStateStore::Open(
      {.conninfo = PostgresServer::Shared().Conninfo(database), .keep_events = keep_events}, Clock::Real());
  EXPECT_TRUE(store.ok()) << store.status();
  return *std::move(store);
}

class PostgresBackend : public testing::StateBackend {
 public:
  std::unique_ptr<StateStore> Open() override { return OpenStore(database_); }

 private:
  const std::string database_ = PostgresServer::Shared().NewDatabase();
};

// A database that a newer release has expanded: what it added has defaults, so this program works as before.
class ExpandedBackend : public testing::StateBackend {
 public:
  ExpandedBackend() {
    PostgresDatabase database(PostgresServer::Shared().Conninfo(database_));
    std::vector<SqlMigration> newer = PostgresMigrations();
    newer.push_back({1000, "from the future", R"sql(
      CREATE TABLE future (x BIGINT);
      ALTER TABLE jobs ADD COLUMN quota BIGINT NOT NULL DEFAULT 7;
      ALTER TABLE tasks ADD COLUMN quota BIGINT NOT NULL DEFAULT 7;
      ALTER TABLE leases ADD COLUMN quota BIGINT NOT NULL DEFAULT 7;
      ALTER TABLE events ADD COLUMN quota BIGINT NOT NULL DEFAULT 7;
      ALTER TABLE workers ADD COLUMN quota BIGINT NOT NULL DEFAULT 7;
      ALTER TABLE garbage ADD COLUMN quota BIGINT NOT NULL DEFAULT 7;
      ALTER TABLE audit ADD COLUMN quota BIGINT NOT NULL DEFAULT 7;
    )sql",
                     1});
    const absl::Status migrated = database.Write([&](SqlConnection& connection) {
      return MigratePostgres(connection, newer, absl::FromUnixSeconds(1'750'000'000));
    });
    EXPECT_TRUE(migrated.ok()) << migrated;
  }
  std::unique_ptr<StateStore> Open() override { return OpenStore(database_); }

 private:
  const std::string database_ = PostgresServer::Shared().NewDatabase();
};

std::unique_ptr<testing::StateBackend> MakePostgresBackend() { return std::make_unique<PostgresBackend>(); }
std::unique_ptr<testing::StateBackend> MakeExpandedBackend() { return std::make_unique<ExpandedBackend>(); }

INSTANTIATE_TEST_SUITE_P(Postgres, StateStoreConformance, ::testing::Values(&MakePostgresBackend));
INSTANTIATE_TEST_SUITE_P(ExpandedByANewerRelease, StateStoreConformance, ::testing::Values(&MakeExpandedBackend));

JobChanges CountUp(JobRows rows) {
  rows.job.job.set_version(rows.job.job.version() + 1);
  JobChanges changes;
  changes.events.emplace_back().set_version(rows.job.job.version());
  changes.job = std::move(rows.job);
  return changes;
}

class PostgresStateStoreTest : public ::testing::Test {
 protected:
  PostgresServer& server_ = PostgresServer::Shared();
  const std::string database_ = server_.NewDatabase();
};

TEST_F(PostgresStateStoreTest, StepsOfOneJobByTwoCoordinatorsHappenOneAfterTheOther) {
  auto first = OpenStore(database_);
  auto second = OpenStore(database_);
  EXPECT_FALSE(first->single_coordinator());
  ASSERT_TRUE(first->CreateJob(SomeJob("j1")).ok());
  std::vector<std::thread> threads;
  for (StateStore* store : {static_cast<StateStore*>(first.get()), static_cast<StateStore*>(second.get())}) {
    for (int t = 0; t < 2; ++t) {
      threads.emplace_back([store] {
        for (int i = 0; i < 50; ++i) EXPECT_TRUE(store->UpdateJob("j1", CountUp).ok());
      });
    }
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(second->ReadJob("j1")->job.job.version(), 201);
  EXPECT_EQ(first->ReadEvents("j1", 0, 1000)->events.size(), 201u) << "none lost, none twice";
}

TEST_F(PostgresStateStoreTest, OneRequestAtTwoCoordinatorsAtOnceMakesOneJob) {
  auto first = OpenStore(database_);
  auto second = OpenStore(database_);
  for (int round = 0; round < 20; ++round) {
    const auto create = [&](StateStore& store, const char* id) {
      CreateJobRow row = SomeJob(absl::StrCat(id, round));
      row.request_id = absl::StrCat("r", round);
      row.request_hash = "h";
      return store.CreateJob(row);
    };
    auto other = std::async(std::launch::async, [&] { return create(*second, "b"); });
    const auto mine = create(*first, "a");
    const auto theirs = other.get();
    ASSERT_TRUE(mine.ok()) << mine.status();
    ASSERT_TRUE(theirs.ok()) << theirs.status();
    EXPECT_EQ(mine->job.id, theirs->job.id);
  }
  EXPECT_EQ(first->ListJobs(100, 0, {})->jobs.size(), 20u);
}

TEST_F(PostgresStateStoreTest, CoordinatorsThatStartTogetherMakeTheTablesOnce) {
  std::vector<std::future<bool>> opened;
  for (int i = 0; i < 6; ++i) {
    opened.push_back(std::async(std::launch::async, [&] { return OpenStore(database_) != nullptr; }));
  }
  for (auto& result : opened) EXPECT_TRUE(result.get());
  EXPECT_EQ(server_.Run(database_, "SELECT COUNT(*) FROM migrations"), std::to_string(PostgresMigrations().size()));
}

TEST_F(PostgresStateStoreTest, ADatabaseThatANewerReleaseContractedIsRefused) {
  {
    PostgresDatabase database(server_.Conninfo(database_));
    std::vector<SqlMigration> newer = PostgresMigrations();
    newer.push_back({1000, "from the future", "ALTER TABLE jobs DROP COLUMN display_name", 1000});
    ASSERT_TRUE(
        database.Write([&](SqlConnection& connection) { return MigratePostgres(connection, newer, absl::UnixEpoch()); })
            .ok());
  }
  const auto store = PostgresStateStore::Open({.conninfo = server_.Conninfo(database_)}, Clock::Real());
  EXPECT_TRUE(absl::IsFailedPrecondition(store.status()));
  EXPECT_EQ(GetErrorInfo(store.status())->reason, "SCHEMA_TOO_NEW");
}

TEST_F(PostgresStateStoreTest, ADatabaseThatIsMissingIsNamed) {
  const auto store = PostgresStateStore::Open({.conninfo = server_.Conninfo("nowhere")}, Clock::Real());
  EXPECT_TRUE(absl::IsFailedPrecondition(store.status())) << store.status();
  EXPECT_NE(store.status().message().find("\"nowhere\" does not exist"), absl::string_view::npos) << store.status();
}

TEST_F(PostgresStateStoreTest, AServerThatIsAwayIsUnavailable) {
  const auto store = PostgresStateStore::Open({.conninfo = "host=/nowhere user=besa dbname=besa"}, Clock::Real());
  EXPECT_TRUE(absl::IsUnavailable(store.status())) << store.status();
}

TEST_F(PostgresStateStoreTest, ATransactionWhoseConnectionIsKilledIsRunAgain) {
  auto store = OpenStore(database_);
  ASSERT_TRUE(store->CreateJob(SomeJob("j1")).ok());
  int calls = 0;
  const absl::Status status = store->UpdateJob("j1", [&](JobRows rows) {
    if (++calls == 1) {
      // Waits until they have ended: a session that is just ending may take the commit with it, or not.
      server_.Run("postgres", absl::StrCat("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE "
                                           "datname = '",
                                           database_, "'"));
    }
    return CountUp(std::move(rows));
  });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(store->ReadJob("j1")->job.job.version(), 2) << "once, not twice";
}

// SIGSTOP of a coordinator, a network that is cut: the lock of the job's row goes with the session.
TEST_F(PostgresStateStoreTest, ACoordinatorThatHangsInATransactionDoesNotKeepTheJob) {
  auto hanging = OpenStore(database_);
  auto healthy = OpenStore(database_);
  ASSERT_TRUE(hanging->CreateJob(SomeJob("j1")).ok());
  std::promise<void> locked;
  std::promise<void> go_on;
  int calls = 0;
  std::thread hangs([&] {
    EXPECT_TRUE(hanging
                    ->UpdateJob("j1",
                                [&](JobRows rows) {
                                  if (++calls == 1) {
                                    locked.set_value();
                                    go_on.get_future().wait();
                                  }
                                  return CountUp(std::move(rows));
                                })
                    .ok());
  });
  locked.get_future().wait();
  const std::string session = server_.Run(
      database_,
      "SELECT pid FROM pg_stat_activity WHERE state = 'idle in transaction' AND datname = current_database()");
  ASSERT_FALSE(session.empty());
  // One call waits for the lock in vain for as long as a call may; the next one finds the session ended.
  absl::Status status;
  const auto begin = std::chrono::steady_clock::now();
  do {
    status = healthy->UpdateJob("j1", CountUp);
  } while (absl::IsUnavailable(status) && std::chrono::steady_clock::now() - begin < std::chrono::seconds(30));
  EXPECT_TRUE(status.ok()) << status;
  // Its lock is gone before its process is.
  const auto gone = [&] { return kill(std::stoi(session), 0) != 0; };
  while (!gone() && std::chrono::steady_clock::now() - begin < std::chrono::seconds(60)) std::this_thread::yield();
  EXPECT_TRUE(gone());
  go_on.set_value();
  hangs.join();
  EXPECT_EQ(calls, 2) << "what hung was rolled back and run again";
  EXPECT_EQ(healthy->ReadJob("j1")->job.job.version(), 3);
}

TEST_F(PostgresStateStoreTest, OnlyTheLastEventsAreKept) {
  auto store = OpenStore(database_, /*keep_events=*/3);
  ASSERT_TRUE(store->CreateJob(SomeJob("j1")).ok());
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(store->UpdateJob("j1", CountUp).ok());
  EXPECT_TRUE(store->ReadEvents("j1", 2, 10)->too_old);
  EXPECT_EQ(store->ReadEvents("j1", 3, 10)->events.size(), 3u);
}

// Its own server, because the others' tests need theirs.
TEST(PostgresCrashTest, WhatWasAcknowledgedSurvivesAKilledServer) {
  PostgresServer server;
  const std::string database = server.NewDatabase();
  auto store = *PostgresStateStore::Open({.conninfo = server.Conninfo(database)}, Clock::Real());
  int acknowledged = 0;
  for (; acknowledged < 20; ++acknowledged) {
    const std::string id = absl::StrCat("j", acknowledged);
    ASSERT_TRUE(store->CreateJob(SomeJob(id)).ok());
    ASSERT_TRUE(store->UpdateJob(id, CountUp).ok());
    // What may be lost, beside what may not.
    ASSERT_TRUE(store->TouchWorker("workers/a", "i1", absl::Now()).ok());
  }
  server.Kill();
  // Its sessions go on until they notice.
  absl::Status away;
  const auto killed = std::chrono::steady_clock::now();
  do {
    away = store->ReadFleet().status();
  } while (away.ok() && std::chrono::steady_clock::now() - killed < std::chrono::seconds(30));
  EXPECT_TRUE(absl::IsUnavailable(away)) << away;
  server.Start();
  const auto jobs = store->ListJobs(100, 0, {});
  ASSERT_TRUE(jobs.ok()) << "it connects again: " << jobs.status();
  EXPECT_EQ(jobs->jobs.size(), 20u);
  for (const v1::Job& job : jobs->jobs) EXPECT_EQ(job.version(), 2) << job.name();
  EXPECT_TRUE(store->CreateJob(SomeJob("after")).ok());
}

}  // namespace
}  // namespace besa::server
