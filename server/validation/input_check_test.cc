#include "server/validation/input_check.h"

#include <filesystem>
#include <memory>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/testing/temp_folder.h"
#include "storage/base/error_info.h"
#include "storage/base/sha256.h"
#include "storage/object/open_store.h"

namespace besa::server {
namespace {

using ::besa::server::testing::TempFolder;
using ::besa::server::testing::WriteFile;
using ::testing::HasSubstr;

class InputCheckTest : public ::testing::Test {
 protected:
  // Writes an input and takes its fingerprint, as the prepare task does.
  void Add(const std::string& name, const std::string& content) {
    WriteFile(folder_.path() / name, content);
    const auto info = store_->Stat(folder_ / name);
    auto& input = *prepare_.add_inputs();
    input.set_uri((folder_ / name).ToString());
    input.set_size(info->size);
    input.set_etag(info->etag);
    input.set_sha256(Sha256Hex(content));
  }

  // Another modification time, and so another entity tag.
  void Touch(const std::string& name) {
    const auto path = folder_.path() / name;
    std::filesystem::last_write_time(path, std::filesystem::last_write_time(path) + std::chrono::hours(1));
  }

  void ExpectChanged(const std::string& words) {
    const absl::Status status = CheckInputsUnchanged(*store_, prepare_);
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(words));
    EXPECT_EQ(GetErrorInfo(status)->reason, "INPUT_CHANGED");
  }

  TempFolder folder_;
  std::unique_ptr<storage::ObjectStore> store_ = *storage::OpenStore({.allowed_prefixes = {folder_.path().string()}});
  v1::PrepareResult prepare_;
};

TEST_F(InputCheckTest, UntouchedInputsAreUnchanged) {
  Add("config.json", "{}");
  Add("model.safetensors", "weights");
  EXPECT_TRUE(CheckInputsUnchanged(*store_, prepare_).ok());
}

TEST_F(InputCheckTest, ATextThatWasOnlyTouchedIsUnchanged) {
  Add("text.txt", "the same");
  Touch("text.txt");
  EXPECT_TRUE(CheckInputsUnchanged(*store_, prepare_).ok());
}

TEST_F(InputCheckTest, OtherContentIsAChange) {
  Add("text.txt", "one text");
  WriteFile(folder_.path() / "text.txt", "two text");
  Touch("text.txt");
  ExpectChanged("text.txt has changed its content");
}

TEST_F(InputCheckTest, AnotherSizeIsAChange) {
  Add("text.txt", "one text");
  WriteFile(folder_.path() / "text.txt", "a longer text");
  ExpectChanged("text.txt has changed from 8 to 13 bytes");
}

TEST_F(InputCheckTest, WeightsThatWereWrittenAgainAreAChange) {
  Add("model.safetensors", "weights");
  Touch("model.safetensors");
  ExpectChanged("model.safetensors has been written again");
}

TEST_F(InputCheckTest, AnInputThatIsGoneIsAChange) {
  Add("text.txt", "one text");
  std::filesystem::remove(folder_.path() / "text.txt");
  ExpectChanged("text.txt has gone");
}

}  // namespace
}  // namespace besa::server
