#include "worker/text/decompress.h"

#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "worker/text/test_source.h"

namespace besa::text {
namespace {

using ::testing::HasSubstr;

std::string Gzip(const std::string& text) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string Xz(const std::string& text) {
  std::string out(lzma_stream_buffer_bound(text.size()), '\0');
  size_t size = 0;
  EXPECT_EQ(lzma_easy_buffer_encode(6, LZMA_CHECK_CRC64, nullptr, reinterpret_cast<const uint8_t*>(text.data()),
                                    text.size(), reinterpret_cast<uint8_t*>(out.data()), &size, out.size()),
            LZMA_OK);
  out.resize(size);
  return out;
}

std::string Zstd(const std::string& text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3));
  return out;
}

struct Case {
  const char* name;
  Compression compression;
  std::string (*compress)(const std::string&);
};

absl::StatusOr<std::string> ReadWhole(const std::string& stored, Compression compression) {
  const auto source = Decompress(std::make_unique<StringSource>(stored), compression, "books.txt");
  std::string text;
  std::vector<std::byte> buffer(100);
  while (true) {
    const auto size = source->Read(buffer);
    if (!size.ok()) return size.status();
    if (*size == 0) return text;
    text.append(reinterpret_cast<const char*>(buffer.data()), *size);
  }
}

std::string LongText() {
  std::string text;
  for (int i = 0; i < 2000; ++i) text += "line " + std::to_string(i * i) + " of a text that compresses\n";
  return text;
}

class DecompressTest : public ::testing::TestWithParam<Case> {};

TEST_P(DecompressTest, GivesBackWhatWasCompressed) {
  const auto text = ReadWhole(GetParam().compress(LongText()), GetParam().compression);
  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_EQ(*text, LongText());
}

TEST_P(DecompressTest, ReadsAnEmptyTextAndOneStreamAfterAnother) {
  const auto& compress = GetParam().compress;
  const auto text = ReadWhole(compress("") + compress("one ") + compress("two"), GetParam().compression);
  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_EQ(*text, "one two");
}

TEST_P(DecompressTest, ReportsTruncationAtAnyPlace) {
  const std::string stored = GetParam().compress("a short text");
  for (size_t size = 0; size < stored.size(); ++size) {
    const auto text = ReadWhole(stored.substr(0, size), GetParam().compression);
    ASSERT_EQ(text.status().code(), absl::StatusCode::kInvalidArgument) << "cut to " << size;
    EXPECT_THAT(std::string(text.status().message()), HasSubstr("books.txt is truncated"));
  }
}

TEST_P(DecompressTest, ReportsWhatIsNotCompressedAtAll) {
  const auto text = ReadWhole("This is plain text under a wrong name.", GetParam().compression);
  EXPECT_EQ(text.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(text.status().message()), HasSubstr("books.txt cannot be decompressed"));
}

TEST_P(DecompressTest, ReportsFlippedBits) {
  std::string stored = GetParam().compress(LongText());
  stored[stored.size() / 2] ^= 0x10;
  const auto text = ReadWhole(stored, GetParam().compression);
  // zstd's one-shot encoder writes no checksum: there a flipped bit may merely change the text.
  if (GetParam().compression == Compression::kZstd && text.ok()) {
    EXPECT_NE(*text, LongText());
  } else {
    EXPECT_EQ(text.status().code(), absl::StatusCode::kInvalidArgument);
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, DecompressTest,
                         ::testing::Values(Case{"gzip", Compression::kGzip, Gzip}, Case{"xz", Compression::kXz, Xz},
                                           Case{"zstd", Compression::kZstd, Zstd}),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace besa::text
