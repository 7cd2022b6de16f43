#include "storage/safetensors/safetensors.h"

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/base/sha256.h"
#include "storage/object/faulty_store.h"
#include "storage/object/open_store.h"
#include "storage/object/temporary_folder.h"

namespace besa::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

Uri TestFile(absl::string_view name) { return Uri::Parse(BESA_TEST_DATA "/safetensors")->Join(name); }

std::unique_ptr<ObjectStore> TestStore() { return *OpenStore({.allowed_prefixes = {BESA_TEST_DATA}}); }

HostBytes Bytes(absl::string_view text) {
  const auto bytes = std::as_bytes(std::span(text.data(), text.size()));
  return {bytes.begin(), bytes.end()};
}

// Every tensor of a file, in the order of their bytes.
std::vector<HostTensor> ReadEverything(ObjectStore& store, const Uri& uri, const SafetensorsHeader& header) {
  std::vector<std::string> names;
  for (const auto& [name, entry] : header.tensors) names.push_back(name);
  std::ranges::stable_sort(names, {}, [&](const std::string& name) {
    const TensorEntry& entry = header.tensors.at(name);
    return std::pair(entry.offset, entry.size);
  });
  std::vector<HostTensor> tensors;
  for (const std::string& name : names) {
    auto tensor = ReadTensor(store, uri, name, header.tensors.at(name));
    EXPECT_TRUE(tensor.ok()) << tensor.status();
    tensors.push_back(*std::move(tensor));
  }
  return tensors;
}

// every-dtype.safetensors was written by the Python package: 2 x 3 elements of each dtype whose bytes count up from 0,
// a scalar 1.5, an empty [0, 4], metadata outside ASCII.
TEST(SafetensorsTest, ReadsEveryDTypeOfThePythonPackage) {
  const auto store = TestStore();
  const auto header = ReadSafetensorsHeader(*store, TestFile("every-dtype.safetensors"));
  ASSERT_TRUE(header.ok()) << header.status();
  EXPECT_THAT(header->metadata,
              ElementsAre(Pair("format", "pt"), Pair("gr\xC3\xBC\xC3\x9F", "\xE2\x82\xAC \"quoted\"\n")));
  EXPECT_EQ(header->tensors.size(), 21u);
  for (const HostTensor& tensor : ReadEverything(*store, TestFile("every-dtype.safetensors"), *header)) {
    SCOPED_TRACE(tensor.name);
    if (tensor.name == "scalar") {
      EXPECT_THAT(tensor.shape, ElementsAre());
      EXPECT_EQ(tensor.bytes, Bytes(absl::string_view("\0\0\xC0\x3F", 4)));
    } else if (tensor.name == "empty") {
      EXPECT_THAT(tensor.shape, ElementsAre(0, 4));
      EXPECT_TRUE(tensor.bytes.empty());
    } else if (tensor.name == "bool") {
      EXPECT_EQ(tensor.bytes, Bytes(absl::string_view("\1\0\1\0\0\1", 6)));
    } else {
      std::string lower(ToString(tensor.dtype));
      std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return std::tolower(c); });
      EXPECT_EQ(tensor.name, lower);
      EXPECT_THAT(tensor.shape, ElementsAre(2, 3));
      ASSERT_EQ(static_cast<int64_t>(tensor.bytes.size()), 6 * ElementSize(tensor.dtype));
      for (size_t i = 0; i < tensor.bytes.size(); ++i) EXPECT_EQ(tensor.bytes[i], std::byte{static_cast<uint8_t>(i)});
    }
  }
}

TEST(SafetensorsTest, WritesWhatThePythonPackageWritesByteByByte) {
  const auto store = TestStore();
  const TemporaryFolder folder;
  const auto out = OpenStoreIn(folder);
  for (const std::string name : {"every-dtype.safetensors", "plain.safetensors"}) {
    const auto header = ReadSafetensorsHeader(*store, TestFile(name));
    ASSERT_TRUE(header.ok()) << header.status();
    const auto tensors = ReadEverything(*store, TestFile(name), *header);
    const auto written = WriteSafetensors(*out, folder / name, tensors, header->metadata);
    ASSERT_TRUE(written.ok()) << written.status();
    const std::string theirs = *ReadAll(*store, TestFile(name), 1 << 20);
    EXPECT_EQ(*ReadAll(*out, folder / name, 1 << 20), theirs);
    EXPECT_EQ(written->size, static_cast<int64_t>(theirs.size()));
    EXPECT_EQ(written->sha256, Sha256Hex(theirs));
  }
}

TEST(SafetensorsTest, TheHeaderHashCoversLengthAndJson) {
  const auto store = TestStore();
  const auto header = ReadSafetensorsHeader(*store, TestFile("plain.safetensors"));
  const std::string file = *ReadAll(*store, TestFile("plain.safetensors"), 1000);
  EXPECT_EQ(header->sha256, Sha256Hex(file.substr(0, file.size() - 16)));
  EXPECT_EQ(
      header->tensors.at("w"),
      (TensorEntry{.dtype = DType::kF32, .shape = {4}, .offset = static_cast<int64_t>(file.size()) - 16, .size = 16}));
}

TEST(SafetensorsTest, ReadingATensorReadsItsBytesAndNoMore) {
  const auto real = TestStore();
  FaultyStore store(*real);
  const auto header = ReadSafetensorsHeader(store, TestFile("every-dtype.safetensors"));
  ASSERT_TRUE(header.ok());
  const int64_t before = store.bytes_read();
  EXPECT_EQ(before, header->tensors.at("u64").offset);
  ASSERT_TRUE(ReadTensor(store, TestFile("every-dtype.safetensors"), "f16", header->tensors.at("f16")).ok());
  EXPECT_EQ(store.bytes_read() - before, 12);
}

TEST(SafetensorsTest, AFileWithoutTensors) {
  const TemporaryFolder folder;
  const auto store = OpenStoreIn(folder);
  ASSERT_TRUE(WriteSafetensors(*store, folder / "none", {}, {}).ok());
  const auto header = ReadSafetensorsHeader(*store, folder / "none");
  ASSERT_TRUE(header.ok()) << header.status();
  EXPECT_TRUE(header->tensors.empty());
  EXPECT_EQ(*ReadAll(*store, folder / "none", 100), absl::string_view("\x8\0\0\0\0\0\0\0{}      ", 16));
}

TEST(SafetensorsTest, RefusesToWriteWhatCouldNotBeRead) {
  const TemporaryFolder folder;
  const auto store = OpenStoreIn(folder);
  const auto refused = [&](const std::vector<HostTensor>& tensors, const std::map<std::string, std::string>& metadata) {
    const absl::Status status = WriteSafetensors(*store, folder / "file", tensors, metadata).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    EXPECT_TRUE(store->List(folder.uri())->empty());
    return std::string(status.message());
  };
  const HostTensor good = {.name = "a", .dtype = DType::kU8, .shape = {2}, .bytes = Bytes("12")};
  HostTensor bad = good;
  EXPECT_THAT(refused({good, good}, {}), HasSubstr("tensor \"a\""));
  bad.bytes = Bytes("1");
  EXPECT_THAT(refused({bad}, {}), HasSubstr("tensor \"a\": 1 bytes, but U8 [2] takes 2"));
  bad = good;
  bad.name = "__metadata__";
  EXPECT_THAT(refused({bad}, {}), HasSubstr("__metadata__"));
  bad.name = "\xFF";
  EXPECT_THAT(refused({bad}, {}), HasSubstr("not UTF-8"));
  bad = good;
  bad.shape = {-2};
  EXPECT_THAT(refused({bad}, {}), HasSubstr("[-2]"));
  bad.shape = {int64_t{1} << 40, int64_t{1} << 40};
  EXPECT_THAT(refused({bad}, {}), HasSubstr("no valid size"));
  EXPECT_THAT(refused({good}, {{"key", "\xFF"}}), HasSubstr("not UTF-8"));
}

TEST(SafetensorsTest, AFailingStoreFailsTheWriteAndLeavesNothing) {
  const TemporaryFolder folder;
  const auto real = OpenStoreIn(folder);
  const std::vector<HostTensor> tensors = {{.name = "a", .dtype = DType::kU8, .shape = {2}, .bytes = Bytes("12")}};
  for (const auto& [op, number] : {std::pair(StoreOp::kOpenWriter, 1), std::pair(StoreOp::kWrite, 1),
                                   std::pair(StoreOp::kWrite, 2), std::pair(StoreOp::kFinish, 1)}) {
    FaultyStore store(*real, FailOnce(op, number, absl::ResourceExhaustedError("full")));
    EXPECT_TRUE(absl::IsResourceExhausted(WriteSafetensors(store, folder / "file", tensors, {}).status()));
    EXPECT_TRUE(real->List(folder.uri())->empty());
  }
}

TEST(ShapeTest, CountsElements) {
  EXPECT_EQ(*ElementCount({}), 1);
  EXPECT_EQ(*ElementCount({3, 4}), 12);
  EXPECT_EQ(*ElementCount({0, 4}), 0);
  EXPECT_EQ(*TensorSize(DType::kF64, {3, 4}), 96);
  const int64_t most = std::numeric_limits<int64_t>::max();
  EXPECT_EQ(*ElementCount({most}), most);
  EXPECT_TRUE(absl::IsOutOfRange(ElementCount({most, 2}).status()));
  EXPECT_TRUE(absl::IsOutOfRange(TensorSize(DType::kF16, {most}).status()));
  EXPECT_TRUE(absl::IsOutOfRange(ElementCount({-1}).status()));
  EXPECT_EQ(FormatShape({4096, 11008}), "[4096, 11008]");
  EXPECT_EQ(FormatShape(std::vector<int64_t>(100, 1)), "[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, ...]");
}

}  // namespace
}  // namespace besa::storage
