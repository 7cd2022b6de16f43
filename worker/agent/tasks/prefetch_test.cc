#include "worker/agent/tasks/prefetch.h"

#include "gtest/gtest.h"
#include "storage/object/caching_store.h"
#include "storage/object/faulty_store.h"
#include "worker/agent/tasks/testing.h"

namespace besa::worker {
namespace {

using storage::FaultyStore;
using storage::StoreOp;

class PrefetchTest : public TaskTest {
 protected:
  FaultyStore counting_{*store_};
  std::unique_ptr<storage::CachingStore> cache_ =
      *storage::CachingStore::Open(counting_, {.folder = folder_ + "/cache",
                                               .limit_bytes = int64_t{1} << 30,
                                               .worth_keeping = &WorthCaching,
                                               .random = SystemRandom()});
  storage::Checkpoint checkpoint_ = *storage::Checkpoint::Open(*cache_, At("model"));
};

TEST_F(PrefetchTest, TheNextBlockIsThereWhenItIsAskedFor) {
  Prefetcher prefetcher(*cache_);
  const ReadAheadSource source(checkpoint_, prefetcher);
  for (const std::string& name : checkpoint_.BlockTensors(0)) ASSERT_TRUE(source.Read(name).ok());
  prefetcher.WaitUntilIdle();
  const int64_t before = counting_.calls(StoreOp::kRead);
  const std::string first = checkpoint_.BlockTensors(1).front();
  const auto ahead = checkpoint_.Read(first);
  EXPECT_EQ(counting_.calls(StoreOp::kRead), before);
  const auto location = *checkpoint_.Find(first);
  EXPECT_EQ(ahead->bytes, storage::ReadTensor(*store_, location.file, first, location.entry)->bytes);
}

TEST_F(PrefetchTest, TheNextBlockIsReadAheadWhereverTensorsAreReadTo) {
  Prefetcher prefetcher(*cache_);
  const ReadAheadSource source(checkpoint_, prefetcher);
  const std::string name = checkpoint_.BlockTensors(0).front();
  HostBytes bytes;
  ASSERT_TRUE(source
                  .ReadTo(name,
                          [&](const storage::TensorEntry& entry) {
                            bytes.resize(static_cast<size_t>(entry.size));
                            return std::span(bytes);
                          })
                  .ok());
  EXPECT_EQ(bytes, checkpoint_.Read(name)->bytes);
  prefetcher.WaitUntilIdle();
  const int64_t before = counting_.calls(StoreOp::kRead);
  ASSERT_TRUE(checkpoint_.Read(checkpoint_.BlockTensors(1).front()).ok());
  EXPECT_EQ(counting_.calls(StoreOp::kRead), before);
}

TEST_F(PrefetchTest, BehindTheLastBlockThereIsNothing) {
  Prefetcher prefetcher(*cache_);
  const ReadAheadSource source(checkpoint_, prefetcher);
  const int64_t last = checkpoint_.config().num_hidden_layers - 1;
  ASSERT_TRUE(source.Read(checkpoint_.BlockTensors(last).front()).ok());
  prefetcher.WaitUntilIdle();
  EXPECT_TRUE(source.Read("model.norm.weight").ok());
  EXPECT_EQ(source.Read("model.layers.99.mlp.up_proj.weight").status().code(), absl::StatusCode::kNotFound);
}

TEST_F(PrefetchTest, AReadAheadThatFailsHarmsNobody) {
  Prefetcher prefetcher(*cache_);
  const ReadAheadSource source(checkpoint_, prefetcher);
  counting_.SetPlan([](const storage::StoreCall& call) {
    return storage::Fault{.status = call.op == StoreOp::kRead && call.number % 2 == 0 ? absl::UnavailableError("down")
                                                                                      : absl::OkStatus()};
  });
  (void)source.Read(checkpoint_.BlockTensors(0).front());
  prefetcher.WaitUntilIdle();
  counting_.SetPlan(nullptr);
  for (const std::string& name : checkpoint_.BlockTensors(1)) EXPECT_TRUE(source.Read(name).ok()) << name;
}

TEST_F(PrefetchTest, WeightsAndTokensAreWorthCaching) {
  EXPECT_TRUE(WorthCaching(At("model/model-00001-of-00005.safetensors")));
  EXPECT_TRUE(WorthCaching(At("work/job/attempts/prepare-1/calibration.safetensors")));
  EXPECT_FALSE(WorthCaching(At("work/job/attempts/sweep-00000-1/boundary-00010.safetensors")));
  EXPECT_FALSE(WorthCaching(At("work/job/attempts/prune-00000-1/shard-00000.safetensors")));
  EXPECT_FALSE(WorthCaching(At("model/config.json")));
}

}  // namespace
}  // namespace besa::worker
