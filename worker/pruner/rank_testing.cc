#include "worker/pruner/rank_testing.h"

#include <c10/util/Exception.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <thread>
#include <vector>

namespace besa::pruner {

void OnRanks(int size, const std::function<void(RankGroup&)>& body) {
  if (size == 1) return body(RankGroup::Alone());
  static int groups = 0;
  const std::string name = "ranks-" + std::to_string(getpid()) + "-" + std::to_string(groups++);
  const std::string store = std::filesystem::temp_directory_path() / name;
  std::vector<std::thread> threads;
  for (int rank = 0; rank < size; ++rank) {
    threads.emplace_back([&, rank] {
      const auto group = JoinRanks({.rank = rank, .size = size, .store = store}, at::kCPU);
      TORCH_CHECK(group.ok(), std::string(group.status().message()));
      body(**group);
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::filesystem::remove(store);
}

}  // namespace besa::pruner
