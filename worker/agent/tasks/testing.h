// A folder of its own for each test, with a copy of the small model that the test may damage.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "storage/object/open_store.h"

namespace besa::worker {

class TaskTest : public ::testing::Test {
 protected:
  TaskTest()
      : folder_(absl::StrCat(::testing::TempDir(), "/besa_",
                             ::testing::UnitTest::GetInstance()->current_test_info()->test_suite_name(), "_",
                             ::testing::UnitTest::GetInstance()->current_test_info()->name())) {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    std::filesystem::copy(BESA_TEST_DATA "/books-llama-3m", folder_ + "/model");
    store_ = *storage::OpenStore({.allowed_prefixes = {folder_, BESA_TEST_DATA}});
  }
  ~TaskTest() override { std::filesystem::remove_all(folder_); }

  storage::Uri At(const std::string& path) const { return *storage::Uri::Parse(absl::StrCat(folder_, "/", path)); }

  void Write(const std::string& path, const std::string& content) {
    ASSERT_TRUE(storage::WriteAll(*store_, At(path), content).ok());
  }

  const std::string folder_;
  std::unique_ptr<storage::ObjectStore> store_;
};

}  // namespace besa::worker
