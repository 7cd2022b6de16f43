#include "worker/text/document_tokenizer.h"

#include <fstream>
#include <sstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace besa::text {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string ReadTestFile(const std::string& name) {
  std::ifstream file(std::string(BESA_TEST_DATA "/") + name, std::ios::binary);
  std::ostringstream content;
  content << file.rdbuf();
  EXPECT_TRUE(file.good()) << name;
  return content.str();
}

class DocumentTokenizerTest : public ::testing::Test {
 protected:
  DocumentTokenizerTest()
      : tokenizer_(*Tokenizer::Parse(ReadTestFile("books-llama-3m/tokenizer.json"), "tokenizer.json")) {}

  std::vector<int32_t> Whole(const std::string& text) {
    std::vector<int32_t> ids;
    EXPECT_TRUE(tokenizer_.Encode(text, ids).ok());
    return ids;
  }

  std::vector<int32_t> InPieces(const std::string& text, size_t piece_bytes, size_t arriving, int threads = 1) {
    std::vector<int32_t> ids;
    DocumentTokenizer out(tokenizer_, ids, threads, piece_bytes);
    for (size_t i = 0; i < text.size(); i += arriving) EXPECT_TRUE(out.Append(text.substr(i, arriving)).ok());
    EXPECT_TRUE(out.EndDocument(std::nullopt).ok());
    EXPECT_TRUE(out.Finish().ok());
    return ids;
  }

  const Tokenizer tokenizer_;
};

TEST_F(DocumentTokenizerTest, ALongTextInPiecesHasTheIdsOfTheWhole) {
  std::string text = ReadTestFile("golden/text.txt");
  EXPECT_EQ(InPieces(text, 1000, 333), Whole(text));
}

TEST_F(DocumentTokenizerTest, RunsOfSpaceAreNotTornApart) {
  std::string text;
  for (int i = 0; i < 50; ++i)
    text += "word" + std::to_string(i) + std::string(static_cast<size_t>(i % 4), i % 3 ? ' ' : '\n') + " next";
  EXPECT_EQ(InPieces(text, 70, 1000), Whole(text));
}

TEST_F(DocumentTokenizerTest, HowTheTextArrivesDoesNotMatter) {
  const std::string text = ReadTestFile("golden/text.txt");
  EXPECT_EQ(InPieces(text, 50, 1), InPieces(text, 50, 10'000));
}

TEST_F(DocumentTokenizerTest, WithoutSpacesCharactersStayWhole) {
  std::string text;
  for (int i = 0; i < 100; ++i) text += "é";  // two bytes each
  EXPECT_FALSE(InPieces(text, 51, 13).empty());
}

TEST_F(DocumentTokenizerTest, ThreadsDoNotMatter) {
  const std::string text = ReadTestFile("golden/text.txt");
  const std::vector<int32_t> expected = InPieces(text, 300, 100);
  for (const int threads : {2, 3, 16}) EXPECT_EQ(InPieces(text, 300, 100, threads), expected) << threads;
}

TEST_F(DocumentTokenizerTest, DocumentsKeepTheirOrderWhateverTheirLength) {
  const std::vector<std::string> documents = {std::string(200, 'a'), "", "short", std::string(500, 'b')};
  const auto encoded_by = [&](int threads) {
    std::vector<int32_t> ids;
    DocumentTokenizer out(tokenizer_, ids, threads, /*piece_bytes=*/100);
    for (const std::string& document : documents) {
      EXPECT_TRUE(out.Append(document).ok());
      EXPECT_TRUE(out.EndDocument(7).ok());
    }
    EXPECT_TRUE(out.Finish().ok());
    return ids;
  };
  EXPECT_EQ(encoded_by(4), encoded_by(1));
}

TEST_F(DocumentTokenizerTest, WithThreadsTooADocumentThatIsNotUtf8IsRefusedAtItsEnd) {
  std::vector<int32_t> ids;
  DocumentTokenizer out(tokenizer_, ids, /*threads=*/4, /*piece_bytes=*/100);
  ASSERT_TRUE(out.Append(std::string(99, 'a')).ok());
  ASSERT_TRUE(out.EndDocument(std::nullopt).ok());
  ASSERT_TRUE(out.Append(std::string(90, 'a') + "\xff").ok());
  EXPECT_THAT(std::string(out.EndDocument(std::nullopt).message()), HasSubstr("not UTF-8"));
}

TEST_F(DocumentTokenizerTest, SeparatorsFollowDocuments) {
  std::vector<int32_t> ids;
  DocumentTokenizer out(tokenizer_, ids);
  ASSERT_TRUE(out.EndDocument(7).ok());
  ASSERT_TRUE(out.EndDocument(std::nullopt).ok());
  EXPECT_THAT(ids, ElementsAre(7));
}

TEST_F(DocumentTokenizerTest, TextThatIsNotUtf8IsRefused) {
  std::vector<int32_t> ids;
  const absl::Status status = tokenizer_.Encode("abc\xff", ids);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("not UTF-8 at byte 3"));
}

TEST(TokenizerTest, AFileThatIsNoTokenizerIsNamed) {
  const auto status = Tokenizer::Parse("{\"version\": \"1.0\"}", "/models/x/tokenizer.json").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("/models/x/tokenizer.json is not a tokenizer"));
}

}  // namespace
}  // namespace besa::text
