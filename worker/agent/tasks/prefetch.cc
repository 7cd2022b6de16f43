#include "worker/agent/tasks/prefetch.h"

#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>

#include "absl/strings/match.h"
#include "spdlog/spdlog.h"

namespace besa::worker {

using storage::TensorLocation;

Prefetcher::Prefetcher(storage::CachingStore& cache)
    : cache_(cache), thread_([this](const std::stop_token& stop) { Run(stop); }) {}

Prefetcher::~Prefetcher() {
  thread_.request_stop();
  thread_.join();
}

void Prefetcher::Want(std::vector<TensorLocation> locations) {
  std::ranges::reverse(locations);
  const std::lock_guard lock(mutex_);
  wanted_ = std::move(locations);
  changed_.notify_all();
}

void Prefetcher::WaitUntilIdle() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return wanted_.empty() && !reading_; });
}

void Prefetcher::Run(const std::stop_token& stop) {
  std::vector<std::byte> buffer;
  std::unique_lock lock(mutex_);
  while (changed_.wait(lock, stop, [this] { return !wanted_.empty(); })) {
    const TensorLocation next = std::move(wanted_.back());
    wanted_.pop_back();
    reading_ = true;
    lock.unlock();
    if (cache_.Keeps(next.file)) {
      buffer.resize(static_cast<size_t>(next.entry.size));
      // Whoever needs it reads it again and is told.
      if (const absl::Status status = cache_.ReadRange(next.file, next.entry.offset, buffer); !status.ok()) {
        spdlog::debug("reading ahead: {}", status.ToString());
      }
    }
    lock.lock();
    reading_ = false;
    changed_.notify_all();
  }
}

ReadAheadSource::ReadAheadSource(const storage::Checkpoint& checkpoint, Prefetcher& prefetcher)
    : checkpoint_(checkpoint), prefetcher_(prefetcher) {
  for (int64_t block = 0; block < checkpoint.config().num_hidden_layers; ++block) {
    for (std::string& name : checkpoint.BlockTensors(block)) block_of_.emplace(std::move(name), block);
  }
}

absl::StatusOr<TensorLocation> ReadAheadSource::Find(absl::string_view name) const { return checkpoint_.Find(name); }

absl::StatusOr<storage::HostTensor> ReadAheadSource::Read(absl::string_view name) const {
  LookAhead(name);
  return checkpoint_.Read(name);
}

absl::Status ReadAheadSource::ReadTo(absl::string_view name, const Place& place) const {
  LookAhead(name);
  return checkpoint_.ReadTo(name, place);
}

void ReadAheadSource::LookAhead(absl::string_view name) const {
  const auto found = block_of_.find(name);
  if (found == block_of_.end()) return;
  const int64_t next = found->second + 1;
  const std::lock_guard lock(mutex_);
  if (next == ahead_) return;
  ahead_ = next;
  std::vector<TensorLocation> locations;
  if (next < checkpoint_.config().num_hidden_layers) {
    for (const std::string& tensor : checkpoint_.BlockTensors(next)) {
      if (auto location = checkpoint_.Find(tensor); location.ok()) locations.push_back(*std::move(location));
    }
  }
  prefetcher_.Want(std::move(locations));
}

bool WorthCaching(const storage::Uri& uri) {
  const std::string name = uri.name();
  if (!absl::EndsWith(name, ".safetensors")) return false;
  for (const char* written_once : {"shard-", "rest-", "allocation", "boundary-"}) {
    if (absl::StartsWith(name, written_once)) return false;
  }
  return true;
}

}  // namespace besa::worker
