#include "worker/agent/tasks/files.h"

#include "gmock/gmock.h"
#include "storage/base/sha256.h"
#include "worker/agent/failure_reason.h"
#include "worker/agent/tasks/testing.h"

namespace besa::worker {
namespace {

using ::testing::ElementsAre;

using FilesTest = TaskTest;

TEST_F(FilesTest, TokensComeBackAsTheyWere) {
  v1::TaskResult result;
  const text::Windows windows{.count = 2, .length = 3, .ids = {1, 2, 3, 4, 5, 6}};
  ASSERT_TRUE(WriteTokens(*store_, At("attempt"), "calibration.safetensors", windows, result).ok());
  const auto read = ReadTokens(*store_, At("attempt/calibration.safetensors"));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->windows, 2);
  EXPECT_EQ(read->length, 3);
  EXPECT_THAT(read->ids, ElementsAre(1, 2, 3, 4, 5, 6));
}

TEST_F(FilesTest, MissingTokensAreTheStoresFailure) {
  EXPECT_EQ(FailureReasonOf(ReadTokens(*store_, At("attempt/calibration.safetensors")).status()),
            v1::FAILURE_REASON_STORAGE);
}

TEST_F(FilesTest, CopiedTensorsAreEqualByteForByte) {
  const auto checkpoint = storage::Checkpoint::Open(*store_, At("model"));
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  v1::TaskResult result;
  int64_t last = 0;
  const TaskObserver observer = [&](const v1::TaskProgress& progress) {
    EXPECT_EQ(progress.stage(), "write");
    EXPECT_GT(progress.step(), last);
    last = progress.step();
    return true;
  };
  const std::vector<std::string> names = checkpoint->OtherTensors();
  ASSERT_TRUE(CopyTensors(*store_, *checkpoint, names, At("attempt"), "rest-00000.safetensors", observer, result).ok());

  ASSERT_EQ(result.files_size(), 1);
  const auto content = storage::ReadAll(*store_, At("attempt/rest-00000.safetensors"), int64_t{1} << 30);
  EXPECT_EQ(result.files(0).size(), static_cast<int64_t>(content->size()));
  EXPECT_EQ(result.files(0).sha256(), Sha256Hex(*content));
  const auto copy = storage::OverlaySource::Open(*store_, *checkpoint, {At("attempt/rest-00000.safetensors")});
  ASSERT_TRUE(copy.ok()) << copy.status();
  for (const std::string& name : names) {
    EXPECT_EQ(copy->Find(name)->file, At("attempt/rest-00000.safetensors"));
    EXPECT_EQ(copy->Read(name)->bytes, checkpoint->Read(name)->bytes) << name;
    EXPECT_EQ(copy->Read(name)->shape, checkpoint->Read(name)->shape) << name;
  }
}

TEST_F(FilesTest, CopyingStopsWhenAskedToAndLeavesNothing) {
  const auto checkpoint = storage::Checkpoint::Open(*store_, At("model"));
  v1::TaskResult result;
  const absl::Status status = CopyTensors(
      *store_, *checkpoint, checkpoint->OtherTensors(), At("attempt"), "rest-00000.safetensors",
      [](const auto&) { return false; }, result);
  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled);
  EXPECT_TRUE(store_->List(At("attempt"))->empty());
}

TEST_F(FilesTest, RoomIsLeftForHeaders) {
  EXPECT_EQ(TensorBytesOf(int64_t{4} << 30), (int64_t{4} << 30) - (int64_t{16} << 20));
  EXPECT_EQ(TensorBytesOf(1600), 1500);
}

}  // namespace
}  // namespace besa::worker
