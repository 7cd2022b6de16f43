#include "worker/agent/failure_reason.h"

#include "gtest/gtest.h"
#include "storage/base/error_info.h"

namespace besa::worker {
namespace {

TEST(FailureReasonTest, FollowsTheCode) {
  EXPECT_EQ(FailureReasonOf(absl::OutOfRangeError("file: ends before byte 9")), v1::FAILURE_REASON_INPUT_CHANGED);
  EXPECT_EQ(FailureReasonOf(absl::ResourceExhaustedError("block")), v1::FAILURE_REASON_OUT_OF_MEMORY);
  EXPECT_EQ(FailureReasonOf(absl::UnavailableError("s3")), v1::FAILURE_REASON_STORAGE);
  EXPECT_EQ(FailureReasonOf(FieldError("calibration.uri", "x", "y")), v1::FAILURE_REASON_INVALID_INPUT);
  EXPECT_EQ(FailureReasonOf(absl::NotFoundError("model")), v1::FAILURE_REASON_INVALID_INPUT);
  EXPECT_EQ(FailureReasonOf(absl::InternalError("CUDA")), v1::FAILURE_REASON_INTERNAL);
}

TEST(FailureReasonTest, AFullDiskIsNoLackOfMemory) {
  const absl::Status full = absl::ResourceExhaustedError("No space left on device");
  EXPECT_EQ(FailureReasonOf(StorageFailure(full)), v1::FAILURE_REASON_STORAGE);
  EXPECT_EQ(StorageFailure(full).message(), full.message());
}

TEST(FailureReasonTest, ChangedInputsAreTheirOwnReason) {
  EXPECT_EQ(FailureReasonOf(ErrorWithInfo(absl::StatusCode::kFailedPrecondition, "x", {kInputChanged, {}})),
            v1::FAILURE_REASON_INPUT_CHANGED);
}

TEST(FailureReasonTest, BadNumbersSaySo) {
  EXPECT_EQ(FailureReasonOf(ErrorWithInfo(absl::StatusCode::kOutOfRange, "block 3: NaN", {kBadNumbers, {}})),
            v1::FAILURE_REASON_BAD_NUMBERS);
}

TEST(FailureReasonTest, ALostRankIsACrash) {
  EXPECT_EQ(FailureReasonOf(ErrorWithInfo(absl::StatusCode::kInternal, "rank 1 was killed", {kRankLost, {}})),
            v1::FAILURE_REASON_CRASHED);
}

TEST(FailureReasonTest, StoppingIsNoFailureOfTheStore) {
  EXPECT_EQ(StorageFailure(absl::CancelledError("stop")).code(), absl::StatusCode::kCancelled);
  EXPECT_TRUE(StorageFailure(absl::OkStatus()).ok());
}

}  // namespace
}  // namespace besa::worker
