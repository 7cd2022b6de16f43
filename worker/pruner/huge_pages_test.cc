#include "worker/pruner/huge_pages.h"

#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <string>

namespace besa::pruner {
namespace {

// The flags that the system keeps for the memory around `pointer`: "rd wr mr ...".
std::string FlagsAt(const void* pointer) {
  const auto at = reinterpret_cast<uintptr_t>(pointer);
  std::ifstream maps("/proc/self/smaps");
  bool here = false;
  for (std::string line; std::getline(maps, line);) {
    uintptr_t begin = 0;
    uintptr_t end = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx", &begin, &end) == 2) here = begin <= at && at < end;
    if (here && line.starts_with("VmFlags:")) return line.substr(8) + " ";
  }
  return "";
}

bool MayBeHuge(const void* pointer) { return FlagsAt(pointer).find(" hg ") != std::string::npos; }

// Beyond this, malloc takes a mapping of its own for each tensor.
constexpr int64_t kMapped = int64_t{64} << 20;
constexpr int64_t kInHeap = int64_t{1} << 20;

TEST(HugePages, AreAskedForWhereLargeTensorsLie) {
  if (!std::ifstream("/sys/kernel/mm/transparent_hugepage/enabled")) GTEST_SKIP() << "this system has no huge pages";
  PutTensorsIntoHugePages();
  const at::Tensor mapped = at::zeros({kMapped}, at::kByte);
  const at::Tensor in_heap = at::zeros({kInHeap}, at::kByte);
  for (const at::Tensor& tensor : {mapped, in_heap}) {
    const auto* first = static_cast<const char*>(tensor.const_data_ptr());
    EXPECT_TRUE(MayBeHuge(first)) << FlagsAt(first);
    EXPECT_TRUE(MayBeHuge(first + tensor.numel() / 2));
  }
}

TEST(HugePages, TensorsMayComeAndGoWhileItIsSaidAgain) {
  PutTensorsIntoHugePages();
  const at::Tensor before = at::zeros({kInHeap}, at::kByte);
  PutTensorsIntoHugePages();
  for (int round = 0; round < 100; ++round) {
    const at::Tensor one = at::zeros({kInHeap + round}, at::kByte).fill_(round);
    ASSERT_EQ(one[kInHeap - 1].item<uint8_t>(), round);
  }
  EXPECT_FALSE(before.any().item<bool>());
}

}  // namespace
}  // namespace besa::pruner
