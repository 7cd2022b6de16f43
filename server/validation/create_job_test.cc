#include "server/validation/create_job.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/testing/temp_folder.h"
#include "server/testing/tiny_checkpoint.h"
#include "storage/base/error_info.h"
#include "storage/object/open_store.h"

namespace besa::server {
namespace {

using ::besa::server::testing::ReadFile;
using ::besa::server::testing::TempFolder;
using ::besa::server::testing::TinyConfig;
using ::besa::server::testing::WriteFile;
using ::besa::server::testing::WriteTinyCheckpoint;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

// A model, a text and a request that is right; each test changes one thing.
class CreateJobTest : public ::testing::Test {
 protected:
  void SetUp() override {
    store_ = *storage::OpenStore({.allowed_prefixes = {folder_.path().string()}});
    WriteTinyCheckpoint(*store_, folder_ / "model");
    WriteFile(folder_.path() / "text.jsonl", std::string(1000, 'x'));
    spec().set_model_uri((folder_ / "model").ToString());
    spec().set_output_uri((folder_ / "out").ToString());
    spec().set_sparsity(0.5);
    SetCalibration((folder_ / "text.jsonl").ToString());
  }

  void SetCalibration(const std::string& uri) {
    spec().mutable_calibration()->clear_uris();
    spec().mutable_calibration()->add_uris(uri);
  }
  v1::JobSpec& spec() { return *request_.mutable_job()->mutable_spec(); }
  std::filesystem::path model(absl::string_view file) { return folder_.path() / "model" / std::string(file); }

  absl::StatusOr<ValidatedJob> Validate() { return ValidateCreateJob(request_, *store_, folder_ / "workspace", {}); }

  // The request is refused for `field`, and the message holds `words`.
  void ExpectFieldError(const std::string& field, std::vector<std::string> words,
                        absl::StatusCode code = absl::StatusCode::kInvalidArgument) {
    const absl::Status status = Validate().status();
    EXPECT_EQ(status.code(), code) << status;
    const auto info = GetErrorInfo(status);
    ASSERT_TRUE(info.has_value()) << status;
    EXPECT_EQ(info->metadata.at("field"), field) << status;
    EXPECT_TRUE(info->metadata.contains("value")) << status;
    words.push_back(field);
    for (const std::string& word : words) EXPECT_THAT(std::string(status.message()), HasSubstr(word));
    EXPECT_FALSE(std::filesystem::exists(folder_.path() / "out"));
  }

  TempFolder folder_;
  std::unique_ptr<storage::ObjectStore> store_;
  v1::CreateJobRequest request_;
};

TEST_F(CreateJobTest, FillsInEveryDefault) {
  const auto job = Validate();
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(job->spec.calibration().samples(), 128);
  EXPECT_EQ(job->spec.calibration().sequence_length(), 64) << "the model's context";
  EXPECT_EQ(job->spec.method().method(), v1::METHOD_BESA);
  EXPECT_EQ(job->spec.method().preset(), v1::PRESET_DEFAULT);
  EXPECT_EQ(job->spec.method().granularity(), v1::GRANULARITY_ROW);
  EXPECT_EQ(job->spec.method().schedule(), v1::SCHEDULE_INDEPENDENT);
  EXPECT_DOUBLE_EQ(job->spec.method().prior_sigma(), 0.08);
  EXPECT_EQ(job->spec.evaluations_size(), 0);
}

TEST_F(CreateJobTest, SummarisesTheModel) {
  const auto job = Validate();
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(job->model.architecture(), "LlamaForCausalLM");
  EXPECT_EQ(job->model.blocks(), 2);
  EXPECT_EQ(job->model.hidden_size(), 8);
  EXPECT_EQ(job->model.context_length(), 64);
  // A block: q and o 8x8, k and v 4x8, gate, up and down 16x8.
  EXPECT_EQ(job->model.prunable_parameters(), 2 * (2 * 64 + 2 * 32 + 3 * 128));
  EXPECT_EQ(job->model.bytes(), 2 * job->model.parameters());
}

TEST_F(CreateJobTest, AnEvaluationTakesTheCalibrationsSequenceLength) {
  spec().mutable_calibration()->set_sequence_length(32);
  spec().add_evaluations()->add_uris((folder_ / "text.jsonl").ToString());
  const auto job = Validate();
  ASSERT_TRUE(job.ok()) << job.status();
  const v1::EvaluationSpec& text = job->spec.evaluations(0);
  EXPECT_EQ(text.name(), "text") << "the file's";
  EXPECT_EQ(text.sequence_length(), 32);
  EXPECT_EQ(text.stride(), 32) << "windows do not overlap";
  EXPECT_EQ(text.windows(), 0);
  EXPECT_EQ(text.max_perplexity(), 0) << "no gate";
}

TEST_F(CreateJobTest, NormalisesAddresses) {
  spec().set_model_uri(folder_.path().string() + "//model/");
  const auto job = Validate();
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(job->spec.model_uri(), (folder_ / "model").ToString());
}

TEST_F(CreateJobTest, LeavesNothingBehind) {
  ASSERT_TRUE(Validate().ok());
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "out"));
}

TEST_F(CreateJobTest, ThePaperPresetHasNoPrior) {
  spec().mutable_method()->set_preset(v1::PRESET_PAPER);
  const auto job = Validate();
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(job->spec.method().prior_sigma(), 0.0);
}

// -- model_uri

TEST_F(CreateJobTest, RefusesNoModel) {
  spec().clear_model_uri();
  ExpectFieldError("model_uri", {"an empty value"});
}

TEST_F(CreateJobTest, RefusesAModelThatIsNotThere) {
  spec().set_model_uri((folder_ / "nothing").ToString());
  ExpectFieldError("model_uri", {"/nothing", "config.json"});
}

TEST_F(CreateJobTest, RefusesARelativePath) {
  spec().set_model_uri("models/llama");
  ExpectFieldError("model_uri", {"models/llama"});
}

TEST_F(CreateJobTest, RefusesAModelOutsideTheAllowedPrefixes) {
  spec().set_model_uri("/etc");
  ExpectFieldError("model_uri", {"/etc", folder_.path().string()}, absl::StatusCode::kPermissionDenied);
}

TEST_F(CreateJobTest, RefusesTruncatedWeights) {
  const std::string weights = ReadFile(model("model.safetensors"));
  WriteFile(model("model.safetensors"), weights.substr(0, weights.size() - 10));
  ExpectFieldError("model_uri", {"model.safetensors"});
}

TEST_F(CreateJobTest, RefusesWeightsThatAreNoSafetensors) {
  WriteFile(model("model.safetensors"), "\x80\x02}q");
  ExpectFieldError("model_uri", {"model.safetensors"});
}

TEST_F(CreateJobTest, RefusesLyingWeights) {
  const std::string weights = ReadFile(model("model.safetensors"));
  const std::string lying = absl::StrReplaceAll(weights, {{"[32,8]", "[33,8]"}});
  ASSERT_NE(lying, weights);
  WriteFile(model("model.safetensors"), lying);
  ExpectFieldError("model_uri", {"model.safetensors", "model.embed_tokens.weight"});
}

TEST_F(CreateJobTest, RefusesWeightsOfAnotherShapeThanTheConfigSays) {
  WriteFile(model("config.json"),
            absl::StrReplaceAll(TinyConfig(), {{"\"intermediate_size\": 16", "\"intermediate_size\": 24"}}));
  ExpectFieldError("model_uri", {"model.safetensors", "mlp."});
}

TEST_F(CreateJobTest, RefusesAnUnsupportedArchitecture) {
  WriteFile(model("config.json"), absl::StrReplaceAll(TinyConfig(), {{"LlamaForCausalLM", "MambaForCausalLM"}}));
  ExpectFieldError("model_uri", {"architectures", "MambaForCausalLM", "LlamaForCausalLM"});
}

TEST_F(CreateJobTest, RefusesAnUnsupportedActivation) {
  WriteFile(model("config.json"), absl::StrReplaceAll(TinyConfig(), {{"silu", "gelu"}}));
  ExpectFieldError("model_uri", {"hidden_act", "gelu", "silu"});
}

TEST_F(CreateJobTest, NeedsATokenizerForTexts) {
  std::filesystem::remove(model("tokenizer.json"));
  ExpectFieldError("model_uri", {"tokenizer.json", "calibration.uris"});
}

// -- output_uri

TEST_F(CreateJobTest, RefusesAnOutputThatIsNotEmpty) {
  WriteFile(folder_.path() / "full" / "precious.txt", "keep me");
  spec().set_output_uri((folder_ / "full").ToString());
  const absl::Status status = Validate().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("output_uri"), HasSubstr("/full"), HasSubstr("precious.txt")));
  EXPECT_EQ(GetErrorInfo(status)->reason, "OUTPUT_NOT_EMPTY");
}

TEST_F(CreateJobTest, TakesAnEmptyOutput) {
  std::filesystem::create_directory(folder_.path() / "empty");
  spec().set_output_uri((folder_ / "empty").ToString());
  EXPECT_TRUE(Validate().ok()) << Validate().status();
  EXPECT_TRUE(std::filesystem::exists(folder_.path() / "empty"));
}

TEST_F(CreateJobTest, RefusesAnOutputInsideTheModel) {
  spec().set_output_uri((folder_ / "model/pruned").ToString());
  ExpectFieldError("output_uri", {"/model/pruned", "outside model_uri"});
  spec().set_output_uri((folder_ / "model").ToString());
  ExpectFieldError("output_uri", {"outside model_uri"});
}

TEST_F(CreateJobTest, RefusesAnOutputAroundTheModel) {
  spec().set_output_uri(folder_.uri().ToString() + "/model/..");
  ExpectFieldError("output_uri", {".."});
  // The workspace lies apart here, so that the model is what is in the way.
  spec().set_output_uri(folder_.uri().ToString());
  const absl::Status status = ValidateCreateJob(request_, *store_, *storage::Uri::Parse("/elsewhere"), {}).status();
  EXPECT_THAT(std::string(status.message()), HasSubstr("does not contain model_uri"));
}

TEST_F(CreateJobTest, RefusesAnOutputInTheWorkspace) {
  spec().set_output_uri((folder_ / "workspace/mine").ToString());
  ExpectFieldError("output_uri", {"workspace"});
}

TEST_F(CreateJobTest, RefusesAnOutputOutsideTheAllowedPrefixes) {
  spec().set_output_uri("/var/tmp/besa-outside");
  ExpectFieldError("output_uri", {"/var/tmp/besa-outside"}, absl::StatusCode::kPermissionDenied);
}

TEST_F(CreateJobTest, RefusesAnOutputUnderAFile) {
  WriteFile(folder_.path() / "file", "in the way");
  spec().set_output_uri((folder_ / "file/out").ToString());
  EXPECT_THAT(std::string(Validate().status().message()), HasSubstr("output_uri"));
}

// Root may write everywhere, so the check runs as somebody else where the tests run as root.
class AsNobody {
 public:
  AsNobody() {
    if (root_) {
      EXPECT_EQ(::setresuid(kNobody, kNobody, 0), 0);
    }
  }
  ~AsNobody() {
    if (root_) {
      EXPECT_EQ(::setresuid(0, 0, 0), 0);
    }
  }

 private:
  static constexpr uid_t kNobody = 65534;
  const bool root_ = ::geteuid() == 0;
};

TEST_F(CreateJobTest, RefusesAnOutputThatMayNotBeWritten) {
  std::filesystem::create_directory(folder_.path() / "locked");
  ASSERT_EQ(::chmod((folder_.path() / "locked").c_str(), 0555), 0);
  ASSERT_EQ(::chmod(folder_.path().c_str(), 0755), 0);
  spec().set_output_uri((folder_ / "locked/out").ToString());
  const AsNobody nobody;
  ExpectFieldError("output_uri", {"/locked/out"}, absl::StatusCode::kPermissionDenied);
}

// -- numbers

TEST_F(CreateJobTest, RefusesSparsityOutsideItsRange) {
  for (const auto& [sparsity, shown] : std::initializer_list<std::pair<double, std::string>>{
           {0.0, "0"}, {1.0, "1"}, {-0.5, "-0.5"}, {1.5, "1.5"}, {std::nan(""), "nan"}}) {
    spec().set_sparsity(sparsity);
    ExpectFieldError("sparsity", {shown, "between 0 and 1"});
  }
}

TEST_F(CreateJobTest, RefusesSparsityThatThePaperPresetCannotReach) {
  spec().set_sparsity(0.7);
  EXPECT_TRUE(Validate().ok());
  spec().mutable_method()->set_preset(v1::PRESET_PAPER);
  ExpectFieldError("sparsity", {"0.7", "PRESET_PAPER", "0.624"});
}

TEST_F(CreateJobTest, RefusesWindowsThatCannotBe) {
  spec().mutable_calibration()->set_samples(-1);
  ExpectFieldError("calibration.samples", {"-1"});
  spec().mutable_calibration()->set_samples(8);
  spec().mutable_calibration()->set_sequence_length(65);
  ExpectFieldError("calibration.sequence_length", {"65", "64"});
  spec().mutable_calibration()->set_sequence_length(-3);
  ExpectFieldError("calibration.sequence_length", {"-3"});
  spec().mutable_calibration()->set_sequence_length(16);

  auto& evaluation = *spec().add_evaluations();
  ExpectFieldError("evaluations[0].uris", {"an empty value"});
  evaluation.add_uris((folder_ / "text.jsonl").ToString());
  evaluation.set_windows(-1);
  ExpectFieldError("evaluations[0].windows", {"-1"});
  evaluation.set_windows(0);
  evaluation.set_sequence_length(100);
  ExpectFieldError("evaluations[0].sequence_length", {"100", "64"});
  evaluation.set_sequence_length(1);
  ExpectFieldError("evaluations[0].sequence_length", {"at least 2"});
  evaluation.set_sequence_length(32);
  evaluation.set_stride(33);
  ExpectFieldError("evaluations[0].stride", {"33", "32"});
  evaluation.set_stride(-1);
  ExpectFieldError("evaluations[0].stride", {"-1"});
}

TEST_F(CreateJobTest, TextsHaveNamesOfTheirOwn) {
  spec().add_evaluations()->add_uris((folder_ / "text.jsonl").ToString());
  spec().add_evaluations()->add_uris((folder_ / "text.jsonl").ToString());
  ExpectFieldError("evaluations[1].name", {"text", "no other"});
  spec().mutable_evaluations(1)->set_name("two words");
  ExpectFieldError("evaluations[1].name", {"two words", "underscores"});
  spec().mutable_evaluations(1)->set_name("again");
  EXPECT_TRUE(Validate().ok()) << Validate().status();
}

TEST_F(CreateJobTest, RefusesGatesThatNoModelPasses) {
  auto& text = *spec().add_evaluations();
  text.add_uris((folder_ / "text.jsonl").ToString());
  text.set_max_perplexity(0.9);
  ExpectFieldError("evaluations[0].max_perplexity", {"0.9"});
  text.set_max_perplexity(40);
  text.set_max_ratio(std::nan(""));
  ExpectFieldError("evaluations[0].max_ratio", {"nan"});
  text.set_max_ratio(1.5);
  EXPECT_TRUE(Validate().ok()) << Validate().status();
}

TEST_F(CreateJobTest, TheReferenceIsTheSchedulesAndThePresets) {
  const auto resolved = [&](v1::Schedule schedule, v1::Preset preset, v1::Granularity granularity) {
    auto& method = *spec().mutable_method();
    method.set_schedule(schedule);
    method.set_preset(preset);
    method.set_granularity(granularity);
    const auto job = Validate();
    EXPECT_TRUE(job.ok()) << job.status();
    return job.ok() ? job->spec.method().reference() : v1::REFERENCE_UNSPECIFIED;
  };
  EXPECT_EQ(resolved(v1::SCHEDULE_SEQUENTIAL, v1::PRESET_DEFAULT, v1::GRANULARITY_ROW), v1::REFERENCE_DENSE_STREAM);
  EXPECT_EQ(resolved(v1::SCHEDULE_SEQUENTIAL, v1::PRESET_PAPER, v1::GRANULARITY_ROW), v1::REFERENCE_PRUNED_STREAM);
  EXPECT_EQ(resolved(v1::SCHEDULE_SEQUENTIAL, v1::PRESET_PAPER, v1::GRANULARITY_LAYER), v1::REFERENCE_DENSE_STREAM);
  EXPECT_EQ(resolved(v1::SCHEDULE_INDEPENDENT, v1::PRESET_PAPER, v1::GRANULARITY_ROW), v1::REFERENCE_DENSE_STREAM);
}

TEST_F(CreateJobTest, TheReferenceMayBeChosenInTheSequentialSchedule) {
  auto& method = *spec().mutable_method();
  method.set_reference(v1::REFERENCE_PRUNED_STREAM);
  ExpectFieldError("method.reference", {"REFERENCE_PRUNED_STREAM", "SCHEDULE_SEQUENTIAL has"});
  method.set_schedule(v1::SCHEDULE_SEQUENTIAL);
  EXPECT_EQ(Validate()->spec.method().reference(), v1::REFERENCE_PRUNED_STREAM);
  method.set_method(v1::METHOD_WANDA);
  ExpectFieldError("method.reference", {"METHOD_BESA"});
}

TEST_F(CreateJobTest, RefusesMethodsItDoesNotHave) {
  auto& method = *spec().mutable_method();
  method.set_method(static_cast<v1::Method>(7));
  ExpectFieldError("method.method", {"7", "METHOD_BESA"});
  method.clear_method();
  method.set_preset(static_cast<v1::Preset>(9));
  ExpectFieldError("method.preset", {"9", "PRESET_PAPER"});
  method.clear_preset();
  method.set_granularity(static_cast<v1::Granularity>(9));
  ExpectFieldError("method.granularity", {"9", "GRANULARITY_LAYER"});
  method.clear_granularity();
  method.set_schedule(static_cast<v1::Schedule>(9));
  ExpectFieldError("method.schedule", {"9", "SCHEDULE_INDEPENDENT", "SCHEDULE_SEQUENTIAL"});
  method.clear_schedule();
  method.set_reference(static_cast<v1::Reference>(9));
  ExpectFieldError("method.reference", {"9", "REFERENCE_DENSE_STREAM", "REFERENCE_PRUNED_STREAM"});
  method.clear_reference();
  method.set_compute_type(static_cast<v1::ComputeType>(5));
  ExpectFieldError("method.compute_type", {"5", "COMPUTE_TYPE_BFLOAT16"});
}

TEST_F(CreateJobTest, RefusesNegativeConstants) {
  auto& method = *spec().mutable_method();
  method.set_batch_size(-1);
  ExpectFieldError("method.batch_size", {"-1"});
  method.set_batch_size(0);
  method.set_epochs(-2);
  ExpectFieldError("method.epochs", {"-2"});
  method.set_epochs(0);
  method.set_d_coef(-0.5);
  ExpectFieldError("method.d_coef", {"-0.5"});
  method.set_d_coef(0);
  method.set_prior_sigma(std::nan(""));
  ExpectFieldError("method.prior_sigma", {"nan"});
  method.set_prior_sigma(0.1);
  method.set_preset(v1::PRESET_PAPER);
  ExpectFieldError("method.prior_sigma", {"0.1", "PRESET_PAPER"});
}

// -- texts

TEST_F(CreateJobTest, RefusesATextThatIsNotThere) {
  SetCalibration((folder_ / "none.txt").ToString());
  ExpectFieldError("calibration.uris", {"none.txt", "exists"});
}

TEST_F(CreateJobTest, RefusesATextOfAnUnknownKind) {
  WriteFile(folder_.path() / "text.pdf", "%PDF");
  SetCalibration((folder_ / "text.pdf").ToString());
  ExpectFieldError("calibration.uris", {"text.pdf", ".jsonl", ".zst", ".parquet"});
}

TEST_F(CreateJobTest, RefusesATextThatIsObviouslyTooShort) {
  WriteFile(folder_.path() / "short.txt", "Too short.\n");
  SetCalibration((folder_ / "short.txt").ToString());
  ExpectFieldError("calibration.uris", {"short.txt", "64 tokens", "11 bytes"});
  WriteFile(folder_.path() / "empty.txt.gz", "");
  SetCalibration((folder_ / "empty.txt.gz").ToString());
  ExpectFieldError("calibration.uris", {"empty.txt.gz", "not empty"});
}

TEST_F(CreateJobTest, AFolderStandsForItsFilesInOrder) {
  std::filesystem::create_directories(folder_.path() / "texts" / "more");
  for (const char* name : {"texts/b.jsonl", "texts/a.parquet", "texts/README.md", "texts/more/c.txt.gz"}) {
    WriteFile(folder_.path() / name, std::string(100, 'x'));
  }
  SetCalibration((folder_ / "texts").ToString());
  spec().mutable_calibration()->add_uris((folder_ / "text.jsonl").ToString());
  spec().add_evaluations()->add_uris((folder_ / "texts").ToString());
  const auto job = Validate();
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_THAT(
      job->spec.calibration().uris(),
      ::testing::ElementsAre((folder_ / "texts/a.parquet").ToString(), (folder_ / "texts/b.jsonl").ToString(),
                             (folder_ / "texts/more/c.txt.gz").ToString(), (folder_ / "text.jsonl").ToString()));
  EXPECT_EQ(job->spec.evaluations(0).name(), "texts");
  EXPECT_EQ(job->spec.evaluations(0).uris_size(), 3);
}

TEST_F(CreateJobTest, RefusesAFolderWithoutTexts) {
  std::filesystem::create_directories(folder_.path() / "texts");
  SetCalibration((folder_ / "texts").ToString());
  ExpectFieldError("calibration.uris", {"texts", "folder"});
  WriteFile(folder_.path() / "texts" / "README.md", "none");
  ExpectFieldError("calibration.uris", {"texts", "folder"});
}

TEST_F(CreateJobTest, TextsAreAsLongAsTheirFilesTogether) {
  WriteFile(folder_.path() / "short.txt", std::string(40, 'x'));
  SetCalibration((folder_ / "short.txt").ToString());
  ExpectFieldError("calibration.uris", {"short.txt", "40 bytes"});
  spec().mutable_calibration()->add_uris((folder_ / "short.txt").ToString());
  EXPECT_TRUE(Validate().ok()) << Validate().status();
}

TEST_F(CreateJobTest, TakesTokenIdsWithoutATokenizer) {
  std::filesystem::remove(model("tokenizer.json"));
  const storage::HostTensor ids{.name = "input_ids",
                                .dtype = storage::DType::kI32,
                                .shape = {2, 64},
                                .bytes = HostBytes(2 * 64 * 4, std::byte{0})};
  ASSERT_TRUE(storage::WriteSafetensors(*store_, folder_ / "ids.safetensors", {ids}, {}).ok());
  SetCalibration((folder_ / "ids.safetensors").ToString());
  EXPECT_TRUE(Validate().ok()) << Validate().status();
}

TEST_F(CreateJobTest, RefusesTokenIdsOfTheWrongKind) {
  const auto write = [&](const storage::HostTensor& ids) {
    ASSERT_TRUE(storage::WriteSafetensors(*store_, folder_ / "ids.safetensors", {ids}, {}).ok());
  };
  SetCalibration((folder_ / "ids.safetensors").ToString());
  write({.name = "ids", .dtype = storage::DType::kI32, .shape = {1, 64}, .bytes = HostBytes(256, std::byte{0})});
  ExpectFieldError("calibration.uris", {"ids.safetensors", "input_ids"});
  write({.name = "input_ids", .dtype = storage::DType::kF32, .shape = {1, 64}, .bytes = HostBytes(256, std::byte{0})});
  ExpectFieldError("calibration.uris", {"F32", "I32"});
  write({.name = "input_ids", .dtype = storage::DType::kI32, .shape = {64}, .bytes = HostBytes(256, std::byte{0})});
  ExpectFieldError("calibration.uris", {"[64]", "[samples, tokens]"});
  write({.name = "input_ids", .dtype = storage::DType::kI32, .shape = {1, 8}, .bytes = HostBytes(32, std::byte{0})});
  ExpectFieldError("calibration.uris", {"64 tokens", "it has 8"});
}

// -- names

TEST_F(CreateJobTest, RefusesARequestIdThatIsNoUuid) {
  request_.set_request_id("7d444840-9dc0-11d1-b245-5ffdce74fad2");
  EXPECT_TRUE(Validate().ok());
  request_.set_request_id("job-1");
  ExpectFieldError("request_id", {"job-1", "UUID"});
}

TEST_F(CreateJobTest, RefusesANameThatNobodyCanShow) {
  spec().set_display_name(std::string(201, 'n'));
  ExpectFieldError("display_name", {"201 bytes", "200"});
  spec().set_display_name("two\nlines");
  ExpectFieldError("display_name", {"printable"});
}

}  // namespace
}  // namespace besa::server
