// Parquet files as pyarrow, pandas and Hugging Face datasets write them.
#include "worker/text/parquet_file.h"

#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_nested.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/io/file.h>
#include <arrow/table.h>
#include <parquet/arrow/writer.h>

#include <filesystem>
#include <memory>
#include <optional>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/object/open_store.h"
#include "worker/text/tokenizer.h"

namespace besa::text {
namespace {

using storage::Uri;
using ::testing::HasSubstr;
using Texts = std::vector<std::optional<std::string>>;

class ParquetFileTest : public ::testing::Test {
 protected:
  ParquetFileTest()
      : folder_(absl::StrCat(::testing::TempDir(), "/parquet_",
                             ::testing::UnitTest::GetInstance()->current_test_info()->name())) {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    store_ = *storage::OpenStore({.allowed_prefixes = {folder_, BESA_TEST_DATA}});
    const Uri file = Uri::Parse(BESA_TEST_DATA "/books-llama-3m")->Join("tokenizer.json");
    tokenizer_.emplace(*Tokenizer::Parse(*storage::ReadAll(*store_, file, 1 << 24), file.ToString()));
  }
  ~ParquetFileTest() override { std::filesystem::remove_all(folder_); }

  static std::shared_ptr<arrow::Array> Strings(const Texts& texts) {
    arrow::StringBuilder builder;
    for (const auto& text : texts) {
      EXPECT_TRUE((text ? builder.Append(*text) : builder.AppendNull()).ok());
    }
    return builder.Finish().ValueOrDie();
  }

  std::string Write(const std::shared_ptr<arrow::Array>& column, const std::string& name = "text",
                    int64_t group_rows = 1000, arrow::Compression::type compression = arrow::Compression::SNAPPY) {
    arrow::Int64Builder ids;
    for (int64_t i = 0; i < column->length(); ++i) EXPECT_TRUE(ids.Append(i).ok());
    const auto schema =
        arrow::schema({arrow::field("id", arrow::int64()), arrow::field(name, column->type(), /*nullable=*/true)});
    const auto table = arrow::Table::Make(schema, {ids.Finish().ValueOrDie(), column});
    const auto file = arrow::io::FileOutputStream::Open(folder_ + "/a.parquet").ValueOrDie();
    const auto properties = parquet::WriterProperties::Builder().compression(compression)->build();
    EXPECT_TRUE(parquet::arrow::WriteTable(*table, arrow::default_memory_pool(), file, group_rows, properties).ok());
    EXPECT_TRUE(file->Close().ok());
    return folder_ + "/a.parquet";
  }

  absl::StatusOr<std::vector<int32_t>> Read(const std::string& path, const ReadProgress& progress = nullptr) {
    std::vector<int32_t> ids;
    DocumentTokenizer out(*tokenizer_, ids);
    const absl::Status status = ReadParquet(*store_, *store_->Stat(*Uri::Parse(path)), progress, /*separator=*/0, out);
    if (!status.ok()) return status;
    return ids;
  }

  std::vector<int32_t> Ids(const Texts& texts) {
    std::vector<int32_t> ids;
    for (const auto& text : texts) {
      EXPECT_TRUE(tokenizer_->Encode(*text, ids).ok());
      ids.push_back(0);
    }
    return ids;
  }

  void ExpectInvalid(const absl::Status& status, const std::string& part) {
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("a.parquet"));
    EXPECT_THAT(std::string(status.message()), HasSubstr(part));
  }

  const std::string folder_;
  std::unique_ptr<storage::ObjectStore> store_;
  std::optional<Tokenizer> tokenizer_;
};

// Enough rows for several batches and row groups; some equal, as a dictionary likes them.
Texts ManyTexts() {
  Texts texts;
  for (int i = 0; i < 1000; ++i) texts.push_back(absl::StrCat("Chapter ", i % 300, ".\nIt was a dark night."));
  return texts;
}

TEST_F(ParquetFileTest, EachValueOfTheColumnIsADocument) {
  for (const auto compression : {arrow::Compression::UNCOMPRESSED, arrow::Compression::SNAPPY, arrow::Compression::GZIP,
                                 arrow::Compression::ZSTD}) {
    const auto ids = Read(Write(Strings(ManyTexts()), "text", /*group_rows=*/300, compression));
    ASSERT_TRUE(ids.ok()) << ids.status();
    EXPECT_EQ(*ids, Ids(ManyTexts()));
  }
}

TEST_F(ParquetFileTest, LargeStringsAreStringsToo) {
  arrow::LargeStringBuilder builder;
  ASSERT_TRUE(builder.Append("One.").ok());
  EXPECT_EQ(*Read(Write(builder.Finish().ValueOrDie())), Ids({"One."}));
}

TEST_F(ParquetFileTest, AFileWithoutRowsHasNoTokens) { EXPECT_TRUE(Read(Write(Strings({})))->empty()); }

TEST_F(ParquetFileTest, ABadValueIsNamedByFileColumnAndRow) {
  Texts texts = ManyTexts();
  texts[700] = std::nullopt;
  ExpectInvalid(Read(Write(Strings(texts), "text", 300)).status(), "column text row 700 is null");
  texts[700] = "caf\xe9";
  ExpectInvalid(Read(Write(Strings(texts), "text", 300)).status(), "column text row 700 is bad");
}

TEST_F(ParquetFileTest, AColumnThatIsMissingOrOfAnotherTypeIsRefused) {
  ExpectInvalid(Read(Write(Strings({"One."}), "content")).status(), "has no column text");

  arrow::Int64Builder numbers;
  ASSERT_TRUE(numbers.Append(7).ok());
  ExpectInvalid(Read(Write(numbers.Finish().ValueOrDie())).status(), "column text holds INT64");

  const auto words = std::make_shared<arrow::StringBuilder>();
  arrow::ListBuilder lists(arrow::default_memory_pool(), words);
  ASSERT_TRUE(lists.Append().ok());
  ASSERT_TRUE(words->Append("One.").ok());
  ExpectInvalid(Read(Write(lists.Finish().ValueOrDie())).status(), "text.list.element, not strings");
}

TEST_F(ParquetFileTest, DamageIsFoundWhereverItIs) {
  const std::string path = Write(Strings(ManyTexts()));
  const std::string whole = *storage::ReadAll(*store_, *Uri::Parse(path), 1 << 24);
  const auto damaged = [&](const std::string& content) {
    EXPECT_TRUE(storage::WriteAll(*store_, *Uri::Parse(path), content).ok());
    return Read(path).status();
  };
  ExpectInvalid(damaged("no parquet"), "cannot be read as parquet");
  ExpectInvalid(damaged(whole.substr(0, whole.size() / 2)), "cannot be read as parquet");
  std::string holes = whole;
  for (size_t i = 8; i + 2000 < holes.size(); i += 97) holes[i] = static_cast<char>(holes[i] ^ 0x55);
  EXPECT_TRUE(absl::IsInvalidArgument(damaged(holes))) << damaged(holes);
}

TEST_F(ParquetFileTest, TellsProgressAndStopsWhenAskedTo) {
  const std::string path = Write(Strings(ManyTexts()), "text", 100);
  int64_t last = 0;
  ASSERT_TRUE(Read(path, [&](int64_t done, int64_t total) {
                EXPECT_GE(done, last);
                EXPECT_LE(done, total);
                last = done;
                return true;
              }).ok());
  EXPECT_GT(last, 0);
  EXPECT_TRUE(absl::IsCancelled(Read(path, [](int64_t, int64_t) { return false; }).status()));
}

}  // namespace
}  // namespace besa::text
