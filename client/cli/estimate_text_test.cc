#include "client/cli/estimate_text.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace besa::client {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

v1::StageEstimate Stage(const char* name, double seconds, int64_t read, int64_t written) {
  v1::StageEstimate stage;
  stage.set_stage(name);
  stage.set_seconds(seconds);
  stage.set_bytes_read(read);
  stage.set_bytes_written(written);
  return stage;
}

v1::EstimateJobResponse SomeEstimate() {
  v1::EstimateJobResponse estimate;
  estimate.mutable_spec()->set_model_uri("file:///models/llama-7b");
  estimate.mutable_model()->set_architecture("LlamaForCausalLM");
  estimate.set_activations(v1::ACTIVATIONS_WALKED);
  estimate.set_workers(2);
  estimate.set_device("NVIDIA H200");
  estimate.set_seconds(45);
  estimate.set_prune_seconds(36.5);
  estimate.set_repeated_forwards(18);
  *estimate.add_stages() = Stage("load", 12.5, int64_t{13} << 30, 0);
  *estimate.add_stages() = Stage("train", 19.3, 0, 0);
  v1::MemoryPart& part = *estimate.add_memory();
  part.set_name("activations");
  part.set_bytes(int64_t{4} << 30);
  estimate.set_block_memory_bytes(int64_t{7} << 30);
  estimate.set_bytes_read(int64_t{20} << 30);
  estimate.set_bytes_written(int64_t{13} << 30);
  estimate.add_basis("NVIDIA H200: as measured");
  return estimate;
}

TEST(EstimateTextTest, TellsTimeMemoryAndBytes) {
  EXPECT_THAT(DescribeEstimate(SomeEstimate()), EndsWith("\n"
                                                         "time:          45.0 s with 2 workers on NVIDIA H200\n"
                                                         "pruning:       36.5 s from the first block to the last\n"
                                                         "activations:   walked, 18 walks through a block repeated\n"
                                                         "block memory:  7.0 GiB\n"
                                                         "read:          20.0 GiB\n"
                                                         "written:       13.0 GiB\n"
                                                         "\n"
                                                         "STAGE  WORKER TIME  READ      WRITTEN\n"
                                                         "load   12.5 s       13.0 GiB\n"
                                                         "train  19.3 s\n"
                                                         "\n"
                                                         "MEMORY OF A BLOCK\n"
                                                         "activations        4.0 GiB\n"
                                                         "\n"
                                                         "These figures rest on\n"
                                                         "- NVIDIA H200: as measured\n"));
}

TEST(EstimateTextTest, NamesStoredActivationsAndWhatGoesOnBeside) {
  v1::EstimateJobResponse estimate = SomeEstimate();
  EXPECT_THAT(DescribeEstimate(estimate), Not(HasSubstr("beside")));
  estimate.set_activations(v1::ACTIVATIONS_STORED);
  estimate.set_activation_bytes(int64_t{3} << 30);
  estimate.set_evaluation_memory_bytes(int64_t{2} << 30);
  *estimate.add_stages() = Stage("store", 1.5, 0, int64_t{3} << 30);
  estimate.mutable_stages(2)->set_beside(true);
  const std::string text = DescribeEstimate(estimate);
  EXPECT_THAT(text, HasSubstr("stored, 3.0 GiB of them moved, 18 walks"));
  EXPECT_THAT(text, HasSubstr("evaluation memory:  2.0 GiB\n"));
  EXPECT_THAT(text, HasSubstr("3.0 GiB  beside the device's work\n"));
}

}  // namespace
}  // namespace besa::client
