#include "client/watch_cursor.h"

#include "client/testing/messages.h"
#include "gtest/gtest.h"

namespace besa::client {
namespace {

TEST(WatchCursorTest, EventsMoveTheVersionAndDuplicatesAreDropped) {
  WatchCursor cursor(0);
  EXPECT_TRUE(cursor.Accept(SnapshotEvent(MakeJob(v1::JOB_STATE_PRUNING, 5))));
  EXPECT_TRUE(cursor.Accept(TaskEvent(6, MakeCommittedBlock(0))));
  EXPECT_FALSE(cursor.Accept(TaskEvent(6, MakeCommittedBlock(0))));
  EXPECT_FALSE(cursor.Accept(JobEvent(MakeJob(v1::JOB_STATE_PREPARING, 4))));
  EXPECT_EQ(cursor.version(), 6);
  EXPECT_EQ(cursor.job().state(), v1::JOB_STATE_PRUNING);
}

TEST(WatchCursorTest, ProgressMovesNoVersion) {
  WatchCursor cursor(5);
  EXPECT_TRUE(cursor.Accept(ProgressEvent(5, MakeProgress(0, "train", 1, 64))));
  EXPECT_TRUE(cursor.Accept(ProgressEvent(5, MakeProgress(0, "train", 2, 64))));
  // Measured after events that are still to come: those must not be taken for seen.
  EXPECT_TRUE(cursor.Accept(ProgressEvent(8, MakeProgress(0, "train", 3, 64))));
  EXPECT_EQ(cursor.version(), 5);
  EXPECT_TRUE(cursor.Accept(TaskEvent(6, MakeCommittedBlock(0))));
  EXPECT_FALSE(cursor.Accept(ProgressEvent(5, MakeProgress(0, "train", 2, 64))));
}

TEST(WatchCursorTest, ResetGoesBack) {
  WatchCursor cursor(90);
  v1::WatchJobResponse reset = SnapshotEvent(MakeJob(v1::JOB_STATE_PENDING, 3));
  EXPECT_FALSE(cursor.Accept(reset));
  reset.set_reset(true);
  EXPECT_TRUE(cursor.Accept(reset));
  EXPECT_EQ(cursor.version(), 3);
}

TEST(WatchCursorTest, EndsWithTheJobAndNotBefore) {
  WatchCursor cursor(0);
  for (const auto state : {v1::JOB_STATE_PENDING, v1::JOB_STATE_PREPARING, v1::JOB_STATE_PRUNING,
                           v1::JOB_STATE_EVALUATING, v1::JOB_STATE_PUBLISHING, v1::JOB_STATE_CANCELLING}) {
    cursor.Accept(JobEvent(MakeJob(state, cursor.version() + 1)));
    EXPECT_FALSE(cursor.ended()) << v1::JobState_Name(state);
  }
  cursor.Accept(JobEvent(MakeJob(v1::JOB_STATE_CANCELLED, cursor.version() + 1)));
  EXPECT_TRUE(cursor.ended());
  // A retry brings a failed job back to life.
  cursor.Accept(JobEvent(MakeJob(v1::JOB_STATE_PENDING, cursor.version() + 1)));
  EXPECT_FALSE(cursor.ended());
}

TEST(WatchCursorTest, ARepeatedSnapshotStillTellsHowTheJobStands) {
  WatchCursor cursor(7);
  EXPECT_FALSE(cursor.Accept(SnapshotEvent(MakeJob(v1::JOB_STATE_SUCCEEDED, 7))));
  EXPECT_TRUE(cursor.ended());
}

}  // namespace
}  // namespace besa::client
