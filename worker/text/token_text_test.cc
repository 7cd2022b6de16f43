// Reading texts through a real folder store, with the tokenizer and golden ids of tests/data.
#include "worker/text/token_text.h"

#include <cstring>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/base/error_info.h"
#include "storage/object/open_store.h"
#include "storage/safetensors/safetensors.h"

namespace besa::text {
namespace {

using storage::DType;
using storage::HostTensor;
using storage::Uri;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const char kModel[] = BESA_TEST_DATA "/books-llama-3m";
const char kGolden[] = BESA_TEST_DATA "/golden";

class TokenTextTest : public ::testing::Test {
 protected:
  TokenTextTest()
      : folder_(absl::StrCat(::testing::TempDir(), "/token_text_",
                             ::testing::UnitTest::GetInstance()->current_test_info()->name())) {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    store_ = *storage::OpenStore({.allowed_prefixes = {folder_, BESA_TEST_DATA}});
    const Uri file = Uri::Parse(kModel)->Join("tokenizer.json");
    tokenizer_.emplace(*Tokenizer::Parse(*storage::ReadAll(*store_, file, 1 << 24), file.ToString()));
  }

  std::string Write(const std::string& name, const std::string& content) {
    EXPECT_TRUE(storage::WriteAll(*store_, Uri::Parse(folder_)->Join(name), content).ok());
    return absl::StrCat(folder_, "/", name);
  }

  template <typename T>
  std::string WriteIds(DType dtype, const std::vector<T>& ids, int64_t rows, const std::string& tensor = "input_ids") {
    HostTensor host{.name = tensor, .dtype = dtype, .shape = {rows, static_cast<int64_t>(ids.size()) / rows}};
    host.bytes.resize(ids.size() * sizeof(T));
    std::memcpy(host.bytes.data(), ids.data(), host.bytes.size());
    EXPECT_TRUE(storage::WriteSafetensors(*store_, Uri::Parse(folder_)->Join("ids.safetensors"), {host}, {}).ok());
    return absl::StrCat(folder_, "/ids.safetensors");
  }

  absl::StatusOr<TokenText> Read(const std::string& uri) { return ReadAll({uri}); }
  absl::StatusOr<TokenText> ReadAll(const std::vector<std::string>& uris) {
    return ReadTokenText(*store_,
                         {.field = "calibration.uris", .uris = uris, .vocab_size = 4096, .document_separator = 0},
                         &*tokenizer_);
  }

  void ExpectFieldError(const absl::Status& status, const std::string& part) {
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_EQ(GetErrorInfo(status).value_or(ErrorInfo{}).metadata["field"], "calibration.uris") << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(part));
  }

  std::vector<int32_t> Ids(const std::string& text) {
    std::vector<int32_t> ids;
    EXPECT_TRUE(tokenizer_->Encode(text, ids).ok());
    return ids;
  }

  const std::string folder_;
  std::unique_ptr<storage::ObjectStore> store_;
  std::optional<Tokenizer> tokenizer_;
};

TEST_F(TokenTextTest, TheGoldenTextHasTheGoldenIds) {
  const Uri golden = Uri::Parse(kGolden)->Join("forward.safetensors");
  const auto header = storage::ReadSafetensorsHeader(*store_, golden);
  ASSERT_TRUE(header.ok()) << header.status();
  const auto expected = storage::ReadTensor(*store_, golden, "text_ids", header->tensors.at("text_ids"));
  ASSERT_TRUE(expected.ok()) << expected.status();
  std::vector<int32_t> ids(expected->bytes.size() / sizeof(int32_t));
  std::memcpy(ids.data(), expected->bytes.data(), expected->bytes.size());

  const auto text = Read(absl::StrCat(kGolden, "/text.txt"));
  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_EQ(text->ids, ids);
  EXPECT_FALSE(text->row_length.has_value());
}

TEST_F(TokenTextTest, ReadsCompressedTextWithProgress) {
  int64_t last = 0;
  TextRequest request{.field = "evaluations[0].uris",
                      .uris = {BESA_TEST_DATA "/text/held_out.txt.xz"},
                      .vocab_size = 4096,
                      .progress = [&](int64_t done, int64_t total) {
                        EXPECT_GT(done, last);
                        EXPECT_LE(done, total);
                        last = done;
                        return true;
                      }};
  const auto text = ReadTokenText(*store_, request, &*tokenizer_);
  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_GT(text->ids.size(), 500'000u);
  EXPECT_EQ(last, static_cast<int64_t>(std::filesystem::file_size(BESA_TEST_DATA "/text/held_out.txt.xz")));
}

TEST_F(TokenTextTest, StopsWhenAskedTo) {
  TextRequest request{.field = "evaluations[0].uris",
                      .uris = {BESA_TEST_DATA "/text/held_out.txt.xz"},
                      .vocab_size = 4096,
                      .progress = [](int64_t, int64_t) { return false; }};
  EXPECT_EQ(ReadTokenText(*store_, request, &*tokenizer_).status().code(), absl::StatusCode::kCancelled);
}

TEST_F(TokenTextTest, JsonLinesAreDocumentsWithASeparatorAfterEach) {
  const auto text = Read(Write("a.jsonl", "{\"text\": \"One.\", \"id\": 7}\n\n{\"text\": \"Two\\n\"}"));
  ASSERT_TRUE(text.ok()) << text.status();
  std::vector<int32_t> expected = Ids("One.");
  expected.push_back(0);
  for (const int32_t id : Ids("Two\n")) expected.push_back(id);
  expected.push_back(0);
  EXPECT_EQ(text->ids, expected);
}

TEST_F(TokenTextTest, FilesAreConcatenatedInTheOrderGiven) {
  const std::string a = Write("a.txt", "One.");
  const std::string b = Write("b.jsonl", "{\"text\": \"Two.\"}\n");
  const std::string c = Write("c.txt", "Three.");
  const auto join = [&](std::vector<std::string> texts) {
    std::vector<int32_t> ids;
    for (const std::string& text : texts) {
      if (!ids.empty()) ids.push_back(0);
      for (const int32_t id : Ids(text)) ids.push_back(id);
    }
    return ids;
  };
  EXPECT_EQ(ReadAll({a, b, c})->ids, join({"One.", "Two.", "Three."}));
  EXPECT_EQ(ReadAll({c, a})->ids, join({"Three.", "One."}));
}

TEST_F(TokenTextTest, ProgressCountsTheBytesOfAllFiles) {
  const std::string a = Write("a.txt", "One.");
  const std::string b = Write("b.txt", "Three.");
  std::vector<std::pair<int64_t, int64_t>> heard;
  TextRequest request{.field = "calibration.uris", .uris = {a, b}, .vocab_size = 4096};
  request.progress = [&](int64_t done, int64_t total) {
    heard.emplace_back(done, total);
    return true;
  };
  ASSERT_TRUE(ReadTokenText(*store_, request, &*tokenizer_).ok());
  EXPECT_THAT(heard, ElementsAre(std::pair(4, 10), std::pair(10, 10)));
}

TEST_F(TokenTextTest, FilesOfIdsJoinTheirRows) {
  const std::string ids = WriteIds<int32_t>(DType::kI32, {1, 2, 3, 4}, 2);
  const auto twice = ReadAll({ids, ids});
  EXPECT_THAT(twice->ids, ElementsAre(1, 2, 3, 4, 1, 2, 3, 4));
  EXPECT_EQ(twice->row_length, 2);
  const std::string text = Write("a.txt", "One.");
  ExpectFieldError(ReadAll({ids, text}).status(), "a.txt (text)");
  ExpectFieldError(ReadAll({text, ids}).status(), "ids.safetensors (rows of 2 ids)");
}

TEST_F(TokenTextTest, TheFileAtFaultIsNamed) {
  const std::string good = Write("good.txt", "One.");
  ExpectFieldError(ReadAll({good, folder_ + "/none.txt"}).status(), "none.txt");
  ExpectFieldError(ReadAll({good, Write("bad.jsonl", "{}")}).status(), "bad.jsonl line 1");
}

TEST(DescribeFilesTest, CountsAllButTheFirst) {
  EXPECT_EQ(DescribeFiles({"/a.txt"}), "/a.txt");
  EXPECT_EQ(DescribeFiles({"/a.txt", "/b.txt", "/c.txt"}), "/a.txt and 2 more");
}

TEST_F(TokenTextTest, ABadLineIsNamedByItsNumber) {
  ExpectFieldError(Read(Write("a.jsonl", "{\"text\": \"One.\"}\n{\"text\": 7}\n")).status(), "a.jsonl line 2");
  ExpectFieldError(Read(Write("b.jsonl", "{\"text\": \"One.\"")).status(), "b.jsonl line 1");
  ExpectFieldError(Read(Write("c.jsonl", "{\"texts\": \"One.\"}\n")).status(), "string field \"text\"");
}

TEST_F(TokenTextTest, ReadsIdsOfEachType) {
  EXPECT_THAT(Read(WriteIds<int32_t>(DType::kI32, {1, 2, 3, 4}, 2))->ids, ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(Read(WriteIds<int64_t>(DType::kI64, {1, 2, 3, 4095}, 2))->ids, ElementsAre(1, 2, 3, 4095));
  const auto text = Read(WriteIds<uint16_t>(DType::kU16, {1, 2, 3, 4, 5, 6}, 2));
  EXPECT_THAT(text->ids, ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_EQ(text->row_length, 3);
}

TEST_F(TokenTextTest, IdsOutsideTheVocabularyAreRefused) {
  ExpectFieldError(Read(WriteIds<int32_t>(DType::kI32, {1, 4096}, 1)).status(), "token 1 has id 4096");
  ExpectFieldError(Read(WriteIds<int32_t>(DType::kI32, {-5, 1}, 1)).status(), "token 0 has id -5");
  ExpectFieldError(Read(WriteIds<int64_t>(DType::kI64, {1, int64_t{1} << 40}, 1)).status(), "token 1");
}

TEST_F(TokenTextTest, OtherTensorsAreRefused) {
  ExpectFieldError(Read(WriteIds<int32_t>(DType::kI32, {1, 2}, 1, "tokens")).status(), "input_ids");
  ExpectFieldError(Read(WriteIds<float>(DType::kF32, {1, 2}, 1)).status(), "F32");
}

TEST_F(TokenTextTest, WhatIsWrongWithAFileNamesTheField) {
  ExpectFieldError(Read(folder_ + "/none.txt").status(), "none.txt");
  ExpectFieldError(Read(Write("a.pdf", "%PDF")).status(), ".jsonl");
  ExpectFieldError(Read(Write("a.txt.gz", "no gzip")).status(), "cannot be decompressed");
  ExpectFieldError(Read(Write("a.txt", "caf\xe9")).status(), "not UTF-8");
  ExpectFieldError(Read(Write("short.safetensors", "abc")).status(), "short.safetensors");
}

TEST(NeedsTokenizerTest, OnlyTextsDo) {
  EXPECT_TRUE(NeedsTokenizer("/a.txt"));
  EXPECT_TRUE(NeedsTokenizer("/a.jsonl.zst"));
  EXPECT_TRUE(NeedsTokenizer("/a.parquet"));
  EXPECT_FALSE(NeedsTokenizer("/a.safetensors"));
}

}  // namespace
}  // namespace besa::text
