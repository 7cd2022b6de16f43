#include "cost/job_options.h"

#include "gtest/gtest.h"

namespace besa::cost {
namespace {

TEST(JobOptionsTest, EveryFieldArrives) {
  v1::JobSpec spec;
  spec.set_sparsity(0.6);
  v1::MethodSpec& method = *spec.mutable_method();
  method.set_preset(v1::PRESET_PAPER);
  method.set_granularity(v1::GRANULARITY_LAYER);
  method.set_batch_size(2);
  method.set_epochs(3);
  method.set_d_coef(5);
  method.set_prior_sigma(0.1);
  const BesaOptions options = BesaOptionsOf(spec);
  EXPECT_EQ(options.sparsity, 0.6);
  EXPECT_EQ(options.preset, Preset::kPaper);
  EXPECT_EQ(options.granularity, Granularity::kLayer);
  EXPECT_EQ(options.batch_size, 2);
  EXPECT_EQ(options.epochs, 3);
  EXPECT_EQ(options.d_coef, 5);
  EXPECT_EQ(options.prior_sigma, 0.1);
}

TEST(JobOptionsTest, BaselinesAndTheirOptionsArrive) {
  v1::JobSpec spec;
  v1::MethodSpec& method = *spec.mutable_method();
  method.set_method(v1::METHOD_MAGNITUDE);
  EXPECT_EQ(BesaOptionsOf(spec).method, Method::kMagnitude);
  method.set_method(v1::METHOD_WANDA);
  method.set_pattern("4:8");
  EXPECT_EQ(BesaOptionsOf(spec).method, Method::kWanda);
  EXPECT_EQ(BesaOptionsOf(spec).pattern.kept, 4);
  EXPECT_EQ(BesaOptionsOf(spec).pattern.of, 8);
  method.set_method(v1::METHOD_SPARSEGPT);
  method.set_sparsegpt_block_size(64);
  method.set_sparsegpt_damping(0.1);
  EXPECT_EQ(BesaOptionsOf(spec).method, Method::kSparseGpt);
  EXPECT_EQ(BesaOptionsOf(spec).sparsegpt_block_size, 64);
  EXPECT_EQ(BesaOptionsOf(spec).sparsegpt_damping, 0.1);
}

TEST(JobOptionsTest, RecoveryArrivesWithEveryMethodAndItsReference) {
  for (const v1::Method method : {v1::METHOD_BESA, v1::METHOD_MAGNITUDE, v1::METHOD_WANDA, v1::METHOD_SPARSEGPT}) {
    v1::JobSpec spec;
    spec.mutable_method()->set_method(method);
    spec.mutable_method()->mutable_recovery()->set_epochs(4);
    spec.mutable_method()->mutable_recovery()->set_learning_rate(0.002);
    spec.mutable_method()->mutable_recovery()->set_batch_size(8);
    spec.mutable_method()->set_reference(v1::REFERENCE_DENSE_STREAM);
    const BesaOptions options = BesaOptionsOf(spec);
    EXPECT_EQ(options.recovery, (RecoveryOptions{.epochs = 4, .learning_rate = 0.002, .batch_size = 8}));
    EXPECT_EQ(options.reference, Reference::kDenseStream);
    spec.mutable_method()->set_reference(v1::REFERENCE_PRUNED_STREAM);
    EXPECT_EQ(BesaOptionsOf(spec).reference, Reference::kPrunedStream);
  }
}

TEST(JobOptionsTest, TheLossSaysWhetherItLooksAhead) {
  v1::JobSpec spec;
  spec.mutable_method()->set_loss(v1::LOSS_BLOCK);
  EXPECT_FALSE(BesaOptionsOf(spec).lookahead);
  spec.mutable_method()->set_loss(v1::LOSS_LOOKAHEAD);
  EXPECT_TRUE(BesaOptionsOf(spec).lookahead);
}

TEST(JobOptionsTest, AnEmptySpecIsTheDefault) {
  const BesaOptions options = BesaOptionsOf({});
  EXPECT_FALSE(options.recovery.given());
  EXPECT_FALSE(options.lookahead);
  EXPECT_EQ(options.method, Method::kBesa);
  EXPECT_FALSE(options.pattern.given());
  EXPECT_EQ(options.preset, Preset::kDefault);
  EXPECT_EQ(options.granularity, Granularity::kRow);
  EXPECT_EQ(options.batch_size, 0);
  EXPECT_EQ(ComputeTypeOf({}), std::nullopt);
}

TEST(JobOptionsTest, ScheduleAndReferenceArrive) {
  v1::JobSpec spec;
  EXPECT_EQ(BesaOptionsOf(spec).schedule, Schedule::kIndependent);
  v1::MethodSpec& method = *spec.mutable_method();
  method.set_schedule(v1::SCHEDULE_SEQUENTIAL);
  method.set_reference(v1::REFERENCE_DENSE_STREAM);
  EXPECT_EQ(BesaOptionsOf(spec).schedule, Schedule::kSequential);
  EXPECT_EQ(BesaOptionsOf(spec).reference, Reference::kDenseStream);
  method.set_reference(v1::REFERENCE_PRUNED_STREAM);
  EXPECT_EQ(BesaOptionsOf(spec).reference, Reference::kPrunedStream);
  // What a baseline does not need is not made.
  method.set_method(v1::METHOD_WANDA);
  method.clear_reference();
  EXPECT_EQ(BesaOptionsOf(spec).reference, Reference::kPrunedStream);
}

TEST(JobOptionsTest, ComputeTypeIsPassedOn) {
  v1::JobSpec spec;
  spec.mutable_method()->set_compute_type(v1::COMPUTE_TYPE_BFLOAT16);
  EXPECT_EQ(ComputeTypeOf(spec), ComputeType::kBFloat16);
  spec.mutable_method()->set_compute_type(v1::COMPUTE_TYPE_FLOAT32);
  EXPECT_EQ(ComputeTypeOf(spec), ComputeType::kFloat32);
}

}  // namespace
}  // namespace besa::cost
