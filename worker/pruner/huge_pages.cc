#include "worker/pruner/huge_pages.h"

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <malloc.h>
#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <mutex>
#include <string>
#include <unordered_set>

// Since Linux 6.1; older headers do not have it.
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

namespace besa::pruner {
namespace {

// That of x86-64, and of the usual kernels elsewhere. Where it is another one the advice is only less exact.
constexpr uintptr_t kHugePage = 2 << 20;
// Smaller tensors share their pages with so much else that they don't decide.
constexpr size_t kLarge = 256 << 10;

// Whole huge pages from the one of `begin` to the one of `last`. Nothing is lost where the system has other views.
void Tell(uintptr_t begin, uintptr_t last, int advice) {
  begin = begin / kHugePage * kHugePage;
  const uintptr_t end = (last / kHugePage + 1) * kHugePage;
  (void)madvise(reinterpret_cast<void*>(begin), end - begin, advice);  // NOLINT(performance-no-int-to-ptr)
}

// LibTorch's own allocator, and a word to the system about what it gave. Thread-safe, as that one is.
class HugePageAllocator final : public c10::Allocator {
 public:
  explicit HugePageAllocator(c10::Allocator& memory) : memory_(memory) {}

  c10::DataPtr allocate(size_t bytes) override {
    c10::DataPtr data = memory_.allocate(bytes);
    if (bytes >= kLarge) Advise(reinterpret_cast<uintptr_t>(data.get()), bytes);
    return data;
  }
  c10::DeleterFnPtr raw_deleter() const override { return memory_.raw_deleter(); }
  void copy_data(void* to, const void* from, size_t bytes) const override { memory_.copy_data(to, from, bytes); }

 private:
  void Advise(uintptr_t begin, size_t bytes) {
    const uintptr_t last = begin + bytes - 1;
    Tell(begin, last, MADV_HUGEPAGE);
    // What malloc used before are small pages: they are joined, at the first time. Untouched ones will be huge.
    const std::lock_guard lock(mutex_);
    bool is_new = false;
    for (uintptr_t page = begin / kHugePage; page <= last / kHugePage; ++page) is_new |= joined_.insert(page).second;
    if (is_new) Tell(begin, last, MADV_COLLAPSE);
  }

  c10::Allocator& memory_;
  std::mutex mutex_;
  std::unordered_set<uintptr_t> joined_;
};

// malloc's first heap: where LibTorch's libraries keep their own buffers, which no allocator of ours sees.
void AdviseHeap() {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    uintptr_t begin = 0;
    uintptr_t end = 0;
    if (!line.ends_with("[heap]") || std::sscanf(line.c_str(), "%lx-%lx", &begin, &end) != 2) continue;
    Tell(begin, end - 1, MADV_HUGEPAGE);
    Tell(begin, end - 1, MADV_COLLAPSE);
  }
}

}  // namespace

void PutTensorsIntoHugePages() {
  static HugePageAllocator* const allocator = [] {
    c10::Allocator& memory = *c10::GetDefaultCPUAllocator();
    // malloc takes memory from the system in pieces of this size, so that most huge pages are there as a whole when the
    // first tensor in them is touched. More than the heap has left makes it grow by the first piece at once.
    mallopt(M_TOP_PAD, 128 << 20);
    memory.allocate(16 << 20);
    AdviseHeap();
    // Never destroyed: tensors may be freed until the process ends.
    return new HugePageAllocator(memory);
  }();
  c10::SetCPUAllocator(allocator);
}

}  // namespace besa::pruner
