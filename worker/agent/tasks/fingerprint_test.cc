#include "worker/agent/tasks/fingerprint.h"

#include <fstream>

#include "gmock/gmock.h"
#include "storage/base/error_info.h"
#include "storage/base/sha256.h"
#include "worker/agent/failure_reason.h"
#include "worker/agent/tasks/testing.h"

namespace besa::worker {
namespace {

using ::testing::HasSubstr;

class FingerprintTest : public TaskTest {
 protected:
  Fingerprints Take() {
    Write("text.txt", "once upon a time");
    const auto checkpoint = storage::Checkpoint::Open(*store_, At("model"));
    EXPECT_TRUE(checkpoint.ok()) << checkpoint.status();
    auto inputs = FingerprintInputs(*store_, *checkpoint, {At("text.txt").ToString()});
    EXPECT_TRUE(inputs.ok()) << inputs.status();
    return *inputs;
  }

  absl::Status Check(const Fingerprints& inputs) { return CheckUnchanged(*store_, At("model"), inputs); }

  void ExpectChanged(const absl::Status& status, const std::string& file) {
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
    EXPECT_EQ(FailureReasonOf(status), v1::FAILURE_REASON_INPUT_CHANGED);
    EXPECT_EQ(GetErrorInfo(status)->metadata["uri"], At(file).ToString());
    EXPECT_THAT(std::string(status.message()), HasSubstr(file));
  }
};

TEST_F(FingerprintTest, CoversWeightsCompanionsAndTexts) {
  const Fingerprints inputs = Take();
  ASSERT_EQ(inputs.size(), 4);
  EXPECT_EQ(inputs[0].uri(), At("model/config.json").ToString());
  EXPECT_EQ(inputs[1].uri(), At("model/model.safetensors").ToString());
  EXPECT_EQ(inputs[2].uri(), At("model/tokenizer.json").ToString());
  EXPECT_EQ(inputs[3].uri(), At("text.txt").ToString());
  EXPECT_EQ(inputs[3].size(), 16);
  EXPECT_EQ(inputs[3].sha256(), Sha256Hex("once upon a time"));
  const auto header = storage::ReadSafetensorsHeader(*store_, At("model/model.safetensors"));
  EXPECT_EQ(inputs[1].sha256(), header->sha256);
}

TEST_F(FingerprintTest, WhatStaysIsUnchanged) { EXPECT_TRUE(Check(Take()).ok()); }

TEST_F(FingerprintTest, TheSameContentWrittenAnewIsUnchanged) {
  Fingerprints inputs = Take();
  inputs[3].set_etag("another");
  Write("text.txt", "once upon a time");
  EXPECT_TRUE(Check(inputs).ok()) << Check(inputs);
}

TEST_F(FingerprintTest, OtherContentOfTheSameSizeIsNoticed) {
  const Fingerprints inputs = Take();
  Write("text.txt", "once upon a tame");
  ExpectChanged(Check(inputs), "text.txt");
}

TEST_F(FingerprintTest, AMissingFileIsNoticed) {
  const Fingerprints inputs = Take();
  std::filesystem::remove(folder_ + "/model/tokenizer.json");
  ExpectChanged(Check(inputs), "model/tokenizer.json");
}

TEST_F(FingerprintTest, TruncatedWeightsAreNoticed) {
  const Fingerprints inputs = Take();
  std::filesystem::resize_file(folder_ + "/model/model.safetensors", 1000);
  ExpectChanged(Check(inputs), "model/model.safetensors");
}

TEST_F(FingerprintTest, WeightsWithAnotherHeaderAreNoticed) {
  const Fingerprints inputs = Take();
  std::fstream file(folder_ + "/model/model.safetensors", std::ios::in | std::ios::out | std::ios::binary);
  file.write("\xff\xff\xff\xff", 4);
  file.close();
  ExpectChanged(Check(inputs), "model/model.safetensors");
}

}  // namespace
}  // namespace besa::worker
