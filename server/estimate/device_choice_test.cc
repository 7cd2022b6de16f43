#include "server/estimate/device_choice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace besa::server {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

v1::Worker Worker(const std::string& id, const std::string& model, int64_t memory = 1000) {
  v1::Worker worker;
  worker.set_state(v1::WORKER_STATE_IDLE);
  worker.mutable_device()->set_id(id);
  worker.mutable_device()->set_model(model);
  worker.mutable_device()->set_memory_bytes(memory);
  worker.mutable_device()->set_threads(2);
  return worker;
}

TEST(ChooseDevice, TakesWhatMostWorkersHave) {
  const std::vector<v1::Worker> workers = {Worker("cpu", "EPYC"), Worker("cuda:0", "NVIDIA H200", 100),
                                           Worker("cuda:1", "NVIDIA H200", 140)};
  const DeviceChoice choice = ChooseDevice(workers, "", v1::COMPUTE_TYPE_UNSPECIFIED);
  ASSERT_THAT(choice.classes, SizeIs(2));
  EXPECT_EQ(choice.classes[0].model, "NVIDIA H200");
  EXPECT_TRUE(choice.classes[0].cuda);
  EXPECT_TRUE(choice.classes[0].bfloat16) << "what GPUs compute in unless told otherwise";
  EXPECT_EQ(choice.kind, "NVIDIA H200");
  EXPECT_EQ(choice.connected, 3);
  EXPECT_EQ(choice.memory_bytes, 140);
  EXPECT_THAT(choice.basis, SizeIs(1)) << "the workers differ";
}

TEST(ChooseDevice, AKindIsAWordOrTheModelItself) {
  const std::vector<v1::Worker> workers = {Worker("cpu", "EPYC"), Worker("cuda:0", "NVIDIA H200")};
  for (const char* kind : {"cpu", "EPYC"}) {
    const DeviceChoice choice = ChooseDevice(workers, kind, v1::COMPUTE_TYPE_UNSPECIFIED);
    ASSERT_THAT(choice.classes, SizeIs(1)) << kind;
    EXPECT_EQ(choice.classes[0].model, "EPYC");
    EXPECT_EQ(choice.classes[0].threads, 2);
    EXPECT_FALSE(choice.classes[0].bfloat16);
    EXPECT_EQ(choice.kind, kind);
  }
  EXPECT_EQ(ChooseDevice(workers, "h200", v1::COMPUTE_TYPE_FLOAT32).classes[0].model, "NVIDIA H200");
  EXPECT_FALSE(ChooseDevice(workers, "h200", v1::COMPUTE_TYPE_FLOAT32).classes[0].bfloat16);
}

TEST(ChooseDevice, WorkersThatAreGoneOrDrainDoNotCount) {
  std::vector<v1::Worker> workers = {Worker("cpu", "EPYC"), Worker("cpu", "EPYC")};
  workers[0].set_state(v1::WORKER_STATE_LOST);
  workers[1].set_draining(true);
  const DeviceChoice choice = ChooseDevice(workers, "", v1::COMPUTE_TYPE_UNSPECIFIED);
  EXPECT_THAT(choice.classes, IsEmpty());
  EXPECT_EQ(choice.connected, 0);
  EXPECT_EQ(choice.kind, "");
  // What they measured is still there.
  EXPECT_THAT(ChooseDevice(workers, "EPYC", v1::COMPUTE_TYPE_UNSPECIFIED).classes, SizeIs(2));
}

}  // namespace
}  // namespace besa::server
