// Headers that lie, and headers that are noise: an error that names file and tensor, never a crash.
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/base/error_info.h"
#include "storage/base/utf8.h"
#include "storage/object/temporary_folder.h"
#include "storage/safetensors/safetensors.h"

namespace besa::storage {
namespace {

using ::testing::HasSubstr;

constexpr char kFile[] = "file:///m/model.safetensors";

std::string Framed(absl::string_view json) {
  std::string bytes(8, '\0');
  for (size_t i = 0; i < 8; ++i) bytes[i] = static_cast<char>(json.size() >> (8 * i) & 0xFF);
  return absl::StrCat(bytes, json);
}

absl::StatusOr<SafetensorsHeader> Parse(absl::string_view json, int64_t data_bytes) {
  const std::string bytes = Framed(json);
  return ParseSafetensorsHeader(bytes, static_cast<int64_t>(bytes.size()) + data_bytes, kFile);
}

struct Case {
  std::string name;
  std::string json;
  int64_t data_bytes;
  std::string message;
};

class HostileHeaderTest : public testing::TestWithParam<Case> {};

TEST_P(HostileHeaderTest, IsRefusedByName) {
  const absl::Status status = Parse(GetParam().json, GetParam().data_bytes).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(GetParam().message));
  EXPECT_THAT(std::string(status.message()), testing::StartsWith(kFile));
  const auto info = GetErrorInfo(status);
  ASSERT_TRUE(info.has_value());
  EXPECT_EQ(info->reason, "SAFETENSORS_INVALID");
  EXPECT_EQ(info->metadata.at("file"), kFile);
}

const char kA[] = R"("a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]})";

INSTANTIATE_TEST_SUITE_P(
    Headers, HostileHeaderTest,
    testing::Values(
        Case{"Empty", "", 0, "does not begin with {"}, Case{"NotJson", "{hello}", 0, "not valid JSON"},
        Case{"Array", "[]", 0, "does not begin with {"}, Case{"Unclosed", "{", 0, "not valid JSON"},
        Case{"LeadingSpace", " {}", 0, "does not begin with {"}, Case{"TwoDocuments", "{}{}", 0, "not valid JSON"},
        Case{"NotUtf8", "{\"\xFF\":{}}", 0, "not valid JSON"},
        Case{"LoneSurrogate", R"({"\ud800":{}})", 0, "not valid JSON"},
        Case{"TrailingData", absl::StrCat("{", kA, "}"), 5, "1 bytes after the last tensor"},
        Case{"DataWithoutTensors", "{}", 5, "5 bytes after the last tensor"},
        Case{"Truncated", absl::StrCat("{", kA, "}"), 3,
             "tensor \"a\": its bytes end at 4 of the data, but the file has 3"},
        Case{"Duplicate", absl::StrCat("{", kA, ",", kA, "}"), 4, "tensor \"a\": the name appears twice"},
        Case{"Overlap", absl::StrCat("{", kA, ",", R"("b":{"dtype":"U8","shape":[2],"data_offsets":[3,5]})", "}"), 5,
             "tensor \"b\": overlaps tensor \"a\""},
        Case{"SameBytes", absl::StrCat("{", kA, ",", R"("b":{"dtype":"U8","shape":[4],"data_offsets":[0,4]})", "}"), 4,
             "tensor \"b\": overlaps tensor \"a\""},
        Case{"Hole", absl::StrCat("{", kA, ",", R"("b":{"dtype":"U8","shape":[1],"data_offsets":[6,7]})", "}"), 7,
             "tensor \"b\": 2 bytes before it belong to no tensor"},
        Case{"HoleAtStart", R"({"b":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})", 2,
             "tensor \"b\": 1 bytes before it"},
        Case{"EmptyInside", absl::StrCat("{", kA, ",", R"("b":{"dtype":"U8","shape":[0],"data_offsets":[2,2]})", "}"),
             4, "tensor \"b\": overlaps"},
        Case{"Backwards", R"({"b":{"dtype":"U8","shape":[1],"data_offsets":[2,1]}})", 2,
             "tensor \"b\": data_offsets [2, 1]"},
        Case{"WrongSize", R"({"b":{"dtype":"F32","shape":[2,3],"data_offsets":[0,23]}})", 23,
             "tensor \"b\": data_offsets hold 23 bytes, but F32 [2, 3] takes 24"},
        Case{"OffsetPastInt64", R"({"b":{"dtype":"U8","shape":[1],"data_offsets":[0,9223372036854775808]}})", 1,
             "tensor \"b\": found the number 9223372036854775808"},
        Case{"OffsetHuge", R"({"b":{"dtype":"U8","shape":[1],"data_offsets":[0,9223372036854775807]}})", 1,
             "tensor \"b\": its bytes end at 9223372036854775807"},
        Case{"OffsetNegative", R"({"b":{"dtype":"U8","shape":[1],"data_offsets":[-1,0]}})", 1,
             "tensor \"b\": found a negative number"},
        Case{"OffsetFraction", R"({"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1.0]}})", 1,
             "tensor \"b\": found the number 1.0"},
        Case{"OneOffset", R"({"b":{"dtype":"U8","shape":[1],"data_offsets":[0]}})", 1,
             "tensor \"b\": data_offsets must be two"},
        Case{"ThreeOffsets", R"({"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1,1]}})", 1,
             "tensor \"b\": data_offsets must be two"},
        Case{"ShapeNegative", R"({"b":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}})", 1,
             "tensor \"b\": found a negative number"},
        Case{"ShapeOverflow", R"({"b":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]}})", 0,
             "tensor \"b\": shape [4294967296, 4294967296] has too many elements"},
        Case{"ShapeOverflowHiddenByZero",
             R"({"b":{"dtype":"U8","shape":[4294967296,4294967296,0],"data_offsets":[0,0]}})", 0, "too many elements"},
        Case{"SizeOverflow", R"({"b":{"dtype":"F64","shape":[4611686018427387904],"data_offsets":[0,0]}})", 0,
             "too many elements"},
        Case{"ShapeNotAnArray", R"({"b":{"dtype":"U8","shape":1,"data_offsets":[0,1]}})", 1,
             "tensor \"b\": found a number"},
        Case{"ShapeNested", R"({"b":{"dtype":"U8","shape":[[1]],"data_offsets":[0,1]}})", 1,
             "tensor \"b\": found an array"},
        Case{"ShapeNull", R"({"b":{"dtype":"U8","shape":[null],"data_offsets":[0,1]}})", 1, "tensor \"b\": found null"},
        Case{"UnknownDType", R"({"b":{"dtype":"F7","shape":[1],"data_offsets":[0,1]}})", 1, "tensor \"b\": dtype: F7"},
        Case{"PackedDType", R"({"b":{"dtype":"F4","shape":[2],"data_offsets":[0,1]}})", 1, "tensor \"b\": dtype: F4"},
        Case{"DTypeNotAString", R"({"b":{"dtype":true,"shape":[1],"data_offsets":[0,1]}})", 1,
             "tensor \"b\": found a boolean"},
        Case{"NoDType", R"({"b":{"shape":[1],"data_offsets":[0,1]}})", 1, "tensor \"b\": dtype is missing"},
        Case{"NoShape", R"({"b":{"dtype":"U8","data_offsets":[0,1]}})", 1, "tensor \"b\": shape is missing"},
        Case{"NoOffsets", R"({"b":{"dtype":"U8","shape":[1]}})", 1, "tensor \"b\": data_offsets is missing"},
        Case{"TwoShapes", R"({"b":{"dtype":"U8","shape":[1],"shape":[1],"data_offsets":[0,1]}})", 1,
             "tensor \"b\": duplicate member \"shape\""},
        Case{"UnknownMember", R"({"b":{"dtype":"U8","shape":[1],"stride":[1],"data_offsets":[0,1]}})", 1,
             "tensor \"b\": unknown member \"stride\""},
        Case{"TensorNotAnObject", R"({"b":[]})", 0, "tensor \"b\": found an array"},
        Case{"MetadataNotAnObject", R"({"__metadata__":"x"})", 0, "found a string where an object (__metadata__)"},
        Case{"MetadataNested", R"({"__metadata__":{"a":{}}})", 0, "found an object where a string (__metadata__)"},
        Case{"MetadataNumber", R"({"__metadata__":{"a":1}})", 0, "found a number where a string (__metadata__)"},
        Case{"MetadataTwice", R"({"__metadata__":{},"__metadata__":{}})", 0, "duplicate key \"__metadata__\""},
        Case{"MetadataKeyTwice", R"({"__metadata__":{"a":"1","a":"2"}})", 0, "duplicate key \"a\""},
        Case{"ControlCharactersInNames", R"({"\u001b[2Jb":[]})", 0, "tensor \"\\x1b[2Jb\""},
        Case{"EmptyName", R"({"":{"dtype":"U8","shape":[1],"data_offsets":[0,2]}})", 2, "data_offsets hold 2 bytes"}),
    [](const auto& header) { return header.param.name; });

TEST(HostileFileTest, DeepNestingCostsNothing) {
  for (const std::string open : {"[", "{\"a\":"}) {
    std::string json = R"({"b":)";
    for (int i = 0; i < 1'000'000; ++i) json += open;
    EXPECT_TRUE(absl::IsInvalidArgument(Parse(json, 0).status()));
  }
}

TEST(HostileFileTest, LengthsThatCannotBe) {
  const auto parse = [](absl::string_view bytes, int64_t file_size) {
    const absl::Status status = ParseSafetensorsHeader(bytes, file_size, kFile).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    return std::string(status.message());
  };
  EXPECT_THAT(parse("", 0), HasSubstr("truncated: 0 bytes"));
  EXPECT_THAT(parse("1234567", 7), HasSubstr("truncated: 7 bytes"));
  EXPECT_THAT(parse(std::string(8, '\xFF'), 1 << 20), HasSubstr("18446744073709551615 bytes, more than 100 MB"));
  EXPECT_THAT(parse(Framed(std::string(20, 'x')).substr(0, 18), 18), HasSubstr("the file ends after 18"));
  // The caller brought less than the header although the file has it.
  EXPECT_THAT(parse(Framed("{}").substr(0, 9), 10), HasSubstr("truncated"));
  EXPECT_THAT(parse("PK\x03\x04 a pickle", 14), HasSubstr("not a safetensors file"));
}

TEST(HostileFileTest, StoredFilesAreNotBelievedEither) {
  const TemporaryFolder folder;
  const auto store = OpenStoreIn(folder);
  const Uri uri = folder / "model.safetensors";
  // 99 MB announced, 12 bytes there: nothing of that size may be allocated or read.
  for (const std::string& content : {std::string(), std::string("abc"), std::string("\x00\x00\xE6\x05\0\0\0\0data", 12),
                                     Framed(absl::StrCat("{", kA, "}")) + "123"}) {
    ASSERT_TRUE(WriteAll(*store, uri, content).ok());
    const absl::Status status = ReadSafetensorsHeader(*store, uri).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(uri.ToString()));
    EXPECT_THAT(std::string(status.message()), HasSubstr("truncated"));
  }
}

// Whatever comes out of it, it must return, and what it accepts must be safe to use.
void CheckAnyAnswer(absl::string_view bytes, int64_t file_size) {
  const auto header = ParseSafetensorsHeader(bytes, file_size, kFile);
  if (!header.ok()) {
    ASSERT_TRUE(absl::IsInvalidArgument(header.status())) << header.status();
    ASSERT_TRUE(IsUtf8(std::string(header.status().message())));
    return;
  }
  int64_t covered = 0;
  for (const auto& [name, entry] : header->tensors) {
    ASSERT_GE(entry.offset, 8);
    ASSERT_GE(entry.size, 0);
    ASSERT_LE(entry.offset, file_size - entry.size);
    ASSERT_EQ(*TensorSize(entry.dtype, entry.shape), entry.size);
    covered += entry.size;
  }
  ASSERT_LE(covered, file_size);
}

TEST(HostileFileTest, SurvivesMutations) {
  const std::string valid = Framed(
      R"({"__metadata__":{"format":"pt","k":"\u00fc"},"a":{"dtype":"BF16","shape":[2,3],"data_offsets":[0,12]},)"
      R"("b":{"dtype":"F32","shape":[],"data_offsets":[12,16]},"c":{"dtype":"I64","shape":[0,7],"data_offsets":[16,16]}}   )");
  const auto file_size = static_cast<int64_t>(valid.size()) + 16;
  ASSERT_TRUE(ParseSafetensorsHeader(valid, file_size, kFile).ok());
  const std::vector<std::string> pieces = {"{",
                                           "}",
                                           "[",
                                           "]",
                                           ",",
                                           ":",
                                           "\"",
                                           "\\",
                                           "\\u",
                                           "-",
                                           "1e999",
                                           "9223372036854775807",
                                           "18446744073709551616",
                                           "null",
                                           "true",
                                           "\xFF",
                                           "\xC3",
                                           "data_offsets",
                                           "\"a\":",
                                           "__metadata__",
                                           "0",
                                           "{\"a\":{\"a\":{\"a\":"};
  std::mt19937_64 random(20240501);
  const auto below = [&](size_t limit) { return static_cast<size_t>(random() % limit); };
  int accepted = 0;
  for (int round = 0; round < 30'000; ++round) {
    std::string bytes = valid;
    for (size_t edits = 1 + below(4); edits > 0 && !bytes.empty(); --edits) {
      const size_t at = below(bytes.size());
      switch (below(6)) {
        case 0:
          bytes[at] = static_cast<char>(random());
          break;
        case 1:
          bytes[at] = static_cast<char>('0' + below(10));
          break;
        case 2:
          bytes.erase(at, 1 + below(8));
          break;
        case 3:
          bytes.insert(at, pieces[below(pieces.size())]);
          break;
        case 4:
          bytes.insert(at, bytes.substr(below(bytes.size()), below(40)));
          break;
        default:
          bytes.resize(at);
      }
    }
    // Mostly with a length that fits, or hardly anything would get past it.
    if (bytes.size() >= 8 && below(4) != 0) bytes = Framed(bytes.substr(8));
    const int64_t size = below(4) == 0 ? static_cast<int64_t>(below(400)) : static_cast<int64_t>(bytes.size()) + 16;
    ASSERT_NO_FATAL_FAILURE(CheckAnyAnswer(bytes, size)) << "round " << round;
    accepted += ParseSafetensorsHeader(bytes, size, kFile).ok() ? 1 : 0;
  }
  // Some edits are harmless (a name, a digit of the metadata): the mutations do reach the far end of the parser.
  EXPECT_GT(accepted, 100);
  EXPECT_LT(accepted, 15'000);
}

TEST(HostileFileTest, SurvivesNoise) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 10'000; ++round) {
    std::string noise(random() % 64, '\0');
    for (char& c : noise) c = static_cast<char>(random());
    ASSERT_NO_FATAL_FAILURE(CheckAnyAnswer(Framed("{" + noise), 100));
    ASSERT_NO_FATAL_FAILURE(CheckAnyAnswer(noise, static_cast<int64_t>(noise.size())));
  }
}

}  // namespace
}  // namespace besa::storage
