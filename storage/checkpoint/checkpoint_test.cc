#include "storage/checkpoint/checkpoint.h"

#include <algorithm>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/base/error_info.h"
#include "storage/checkpoint/index_file.h"
#include "storage/object/faulty_store.h"
#include "storage/object/open_store.h"
#include "storage/object/temporary_folder.h"

namespace besa::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Uri TestData(absl::string_view name) { return Uri::Parse(BESA_TEST_DATA)->Join(name); }

std::unique_ptr<ObjectStore> TestStore() { return *OpenStore({.allowed_prefixes = {BESA_TEST_DATA}}); }

TEST(CheckpointTest, OpensASingleFile) {
  const auto store = TestStore();
  const auto checkpoint = Checkpoint::Open(*store, TestData("books-llama-3m"));
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_EQ(checkpoint->config().hidden_size, 192);
  EXPECT_EQ(checkpoint->config().num_key_value_heads, 1);
  EXPECT_TRUE(checkpoint->config().tie_word_embeddings);
  EXPECT_THAT(checkpoint->OtherTensors(), ElementsAre("model.embed_tokens.weight", "model.norm.weight"));
  EXPECT_EQ(checkpoint->BlockTensors(5).size(), 9u);
  EXPECT_EQ(checkpoint->files().size(), 1u);
  // What numpy counts in the file.
  EXPECT_EQ(checkpoint->parameters(), 3148224);
  EXPECT_EQ(checkpoint->bytes(), 2 * checkpoint->parameters());
  EXPECT_EQ(checkpoint->prunable_parameters(), 6 * (2 * 192 * 192 + 2 * 64 * 192 + 3 * 192 * 512));

  const auto norm = checkpoint->Read("model.norm.weight");
  ASSERT_TRUE(norm.ok()) << norm.status();
  EXPECT_EQ(norm->name, "model.norm.weight");
  EXPECT_EQ(norm->dtype, DType::kBF16);
  EXPECT_THAT(norm->shape, ElementsAre(192));
  ASSERT_EQ(norm->bytes.size(), 384u);
  // As torch reads them.
  EXPECT_EQ(norm->bytes[0], std::byte{22});
  EXPECT_EQ(norm->bytes[2], std::byte{24});
}

TEST(CheckpointTest, OpensShardsAsTransformers5WritesThem) {
  const auto store = TestStore();
  const auto checkpoint = Checkpoint::Open(*store, TestData("tiny-llama-sharded"));
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_EQ(checkpoint->config().rope_theta, 50000.0);
  EXPECT_EQ(checkpoint->config().head_dim, 6);
  EXPECT_EQ(checkpoint->files().size(), 3u);
  EXPECT_THAT(checkpoint->OtherTensors(),
              ElementsAre("lm_head.weight", "model.embed_tokens.weight", "model.norm.weight"));
  EXPECT_THAT(checkpoint->BlockTensors(1),
              ElementsAre("model.layers.1.input_layernorm.weight", "model.layers.1.mlp.down_proj.weight",
                          "model.layers.1.mlp.gate_proj.weight", "model.layers.1.mlp.up_proj.weight",
                          "model.layers.1.post_attention_layernorm.weight", "model.layers.1.self_attn.k_proj.weight",
                          "model.layers.1.self_attn.o_proj.weight", "model.layers.1.self_attn.q_proj.weight",
                          "model.layers.1.self_attn.v_proj.weight"));
  // The numbers that transformers put into the index.
  EXPECT_EQ(checkpoint->parameters(), 8048);
  EXPECT_EQ(checkpoint->bytes(), 16096);
  ASSERT_EQ(checkpoint->companions().size(), 2u);
  EXPECT_EQ(checkpoint->companions()[0].uri.name(), "config.json");
  EXPECT_EQ(checkpoint->companions()[1].uri.name(), "generation_config.json");

  const auto head = checkpoint->Find("lm_head.weight");
  ASSERT_TRUE(head.ok()) << head.status();
  EXPECT_EQ(head->file.name(), "model-00003-of-00003.safetensors");
  EXPECT_THAT(head->entry.shape, ElementsAre(32, 16));
  EXPECT_TRUE(absl::IsNotFound(checkpoint->Find("model.layers.3.mlp.up_proj.weight").status()));
  EXPECT_TRUE(absl::IsNotFound(checkpoint->Read("nothing").status()));
}

// A copy of the sharded checkpoint that each test damages.
class DamagedCheckpointTest : public testing::Test {
 protected:
  DamagedCheckpointTest() {
    std::filesystem::copy(BESA_TEST_DATA "/tiny-llama-sharded", folder_.path(),
                          std::filesystem::copy_options::recursive);
  }

  std::string Text(const std::string& name) { return *ReadAll(*store_, folder_ / name, 1 << 20); }

  void Write(const std::string& name, absl::string_view content) {
    ASSERT_TRUE(WriteAll(*store_, folder_ / name, content).ok());
  }

  // Every tensor of a file through `edit`, written back.
  void EditTensors(const std::string& name, const std::function<void(std::vector<HostTensor>&)>& edit) {
    const auto header = ReadSafetensorsHeader(*store_, folder_ / name);
    ASSERT_TRUE(header.ok()) << header.status();
    std::vector<HostTensor> tensors;
    for (const auto& [tensor, entry] : header->tensors) {
      tensors.push_back(*ReadTensor(*store_, folder_ / name, tensor, entry));
    }
    edit(tensors);
    ASSERT_TRUE(WriteSafetensors(*store_, folder_ / name, tensors, header->metadata).ok());
  }

  absl::Status Open() { return Checkpoint::Open(*store_, folder_.uri()).status(); }

  // The message of a checkpoint that is broken.
  std::string Broken() {
    const absl::Status status = Open();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    EXPECT_TRUE(GetErrorInfo(status).has_value()) << status;
    return std::string(status.message());
  }

  TemporaryFolder folder_;
  std::unique_ptr<ObjectStore> store_ = OpenStoreIn(folder_);
};

constexpr char kFirst[] = "model-00001-of-00003.safetensors";
constexpr char kLast[] = "model-00003-of-00003.safetensors";

HostTensor& Named(std::vector<HostTensor>& tensors, absl::string_view name) {
  return *std::ranges::find(tensors, std::string(name), &HostTensor::name);
}

TEST_F(DamagedCheckpointTest, Undamaged) { EXPECT_TRUE(Open().ok()) << Open(); }

TEST_F(DamagedCheckpointTest, NoCheckpoint) {
  ASSERT_TRUE(store_->Delete(folder_ / kIndexFileName).ok());
  EXPECT_TRUE(absl::IsNotFound(Open()));
  EXPECT_THAT(std::string(Open().message()), HasSubstr("neither model.safetensors nor"));
  ASSERT_TRUE(store_->Delete(folder_ / "config.json").ok());
  EXPECT_TRUE(absl::IsNotFound(Open()));
  EXPECT_THAT(std::string(Open().message()), HasSubstr("config.json is not there"));
  EXPECT_TRUE(absl::IsNotFound(Checkpoint::Open(*store_, folder_ / "nowhere").status()));
}

TEST_F(DamagedCheckpointTest, ErrorsOfTheConfigNameFileAndField) {
  Write("config.json", absl::StrReplaceAll(Text("config.json"), {{"\"silu\"", "\"gelu\""}}));
  EXPECT_THAT(Broken(), HasSubstr("config.json: hidden_act: \"gelu\""));
  EXPECT_EQ(GetErrorInfo(Open())->metadata.at("field"), "hidden_act");
}

TEST_F(DamagedCheckpointTest, AShardIsMissing) {
  ASSERT_TRUE(store_->Delete(folder_ / kLast).ok());
  EXPECT_THAT(Broken(), HasSubstr(absl::StrCat(kLast, ": not found, but model.safetensors.index.json names it")));
}

TEST_F(DamagedCheckpointTest, AShardIsTruncated) {
  const std::string content = Text(kLast);
  Write(kLast, absl::string_view(content).substr(0, content.size() - 1));
  EXPECT_THAT(Broken(), HasSubstr("(truncated?)"));
  EXPECT_THAT(Broken(), HasSubstr(kLast));
}

TEST_F(DamagedCheckpointTest, TheIndexNamesATensorThatIsNotInItsShard) {
  Write(kIndexFileName,
        absl::StrReplaceAll(Text(kIndexFileName), {{"\"lm_head.weight\": \"model-00003-of-00003.safetensors\"",
                                                    "\"lm_head.weight\": \"model-00001-of-00003.safetensors\""}}));
  EXPECT_THAT(Broken(), HasSubstr(absl::StrCat(kFirst, ": tensor \"lm_head.weight\": not in the file")));
}

TEST_F(DamagedCheckpointTest, TheIndexIsNonsense) {
  Write(kIndexFileName, "{\"weight_map\": {\"a\": \"../other.safetensors\"}}");
  EXPECT_THAT(Broken(), HasSubstr("model.safetensors.index.json: weight_map[\"a\"]: \"../other.safetensors\""));
}

TEST_F(DamagedCheckpointTest, ATensorInTwoShards) {
  HostTensor twice;
  EditTensors(kFirst, [&](auto& tensors) { twice = Named(tensors, "model.embed_tokens.weight"); });
  EditTensors(kLast, [&](auto& tensors) { tensors.push_back(twice); });
  EXPECT_THAT(Broken(), HasSubstr("tensor \"model.embed_tokens.weight\": is in model-00001-of-00003.safetensors too"));
}

TEST_F(DamagedCheckpointTest, ATensorIsMissing) {
  std::string index = Text(kIndexFileName);
  Write(kIndexFileName, absl::StrReplaceAll(index, {{"model.norm.weight", "model.norm.other"}}));
  EditTensors(kLast, [](auto& tensors) { Named(tensors, "model.norm.weight").name = "model.norm.other"; });
  EXPECT_THAT(Broken(), HasSubstr("tensor \"model.norm.weight\": missing"));
}

TEST_F(DamagedCheckpointTest, AnUntiedHeadIsMissing) {
  Write(kIndexFileName, absl::StrReplaceAll(Text(kIndexFileName), {{"lm_head.weight", "head"}}));
  EditTensors(kLast, [](auto& tensors) { Named(tensors, "lm_head.weight").name = "head"; });
  EXPECT_THAT(Broken(), HasSubstr("tie_word_embeddings"));
}

TEST_F(DamagedCheckpointTest, AShapeThatTheConfigDoesNotImply) {
  Write("config.json",
        absl::StrReplaceAll(Text("config.json"), {{"\"intermediate_size\": 24", "\"intermediate_size\": 32"}}));
  EXPECT_THAT(Broken(), HasSubstr("tensor \"model.layers.0.mlp.down_proj.weight\": shape [16, 24], but config.json "
                                  "implies [16, 32]"));
}

TEST_F(DamagedCheckpointTest, ANeededTensorMustBeFloating) {
  EditTensors(kLast, [](auto& tensors) { Named(tensors, "model.norm.weight").dtype = DType::kI16; });
  EXPECT_THAT(Broken(), HasSubstr("tensor \"model.norm.weight\": dtype I16"));
}

TEST_F(DamagedCheckpointTest, FloatingTypesMayBeMixed) {
  EditTensors(kLast, [](auto& tensors) {
    HostTensor& norm = Named(tensors, "model.norm.weight");
    norm.dtype = DType::kF32;
    norm.bytes.resize(2 * norm.bytes.size());
    Named(tensors, "lm_head.weight").dtype = DType::kF16;
  });
  EXPECT_TRUE(Open().ok()) << Open();
}

TEST_F(DamagedCheckpointTest, TensorsThatTheArchitectureDoesNotKnowAreCarriedAlong) {
  const std::string name = "model.layers.0.self_attn.rotary_emb.inv_freq";
  EditTensors(kLast, [&](auto& tensors) {
    tensors.push_back({.name = name, .dtype = DType::kI64, .shape = {1}, .bytes = HostBytes(8, std::byte{0})});
  });
  const auto checkpoint = Checkpoint::Open(*store_, folder_.uri());
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_THAT(checkpoint->OtherTensors(), testing::Contains(name));
  EXPECT_EQ(checkpoint->BlockTensors(0).size(), 9u);
  EXPECT_EQ(checkpoint->parameters(), 8048);
  EXPECT_EQ(checkpoint->bytes(), 16096 + 8);
}

TEST_F(DamagedCheckpointTest, ATiedModelMayStillStoreItsHead) {
  Write("config.json", absl::StrReplaceAll(Text("config.json"),
                                           {{"\"tie_word_embeddings\": false", "\"tie_word_embeddings\": true"}}));
  const auto checkpoint = Checkpoint::Open(*store_, folder_.uri());
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_THAT(checkpoint->OtherTensors(), testing::Contains("lm_head.weight"));
  EXPECT_EQ(checkpoint->parameters(), 8048 - 32 * 16);
}

TEST_F(DamagedCheckpointTest, CompanionsByAllowList) {
  for (const std::string name : {"tokenizer.json", "LICENSE", "pytorch_model.bin", "modeling.py", "sub/config.json",
                                 "additional_chat_templates/tool_use.jinja"}) {
    Write(name, "x");
  }
  const auto checkpoint = Checkpoint::Open(*store_, folder_.uri());
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  std::vector<std::string> names;
  for (const ObjectInfo& object : checkpoint->companions()) names.push_back(object.uri.name());
  EXPECT_THAT(names,
              ElementsAre("LICENSE", "tool_use.jinja", "config.json", "generation_config.json", "tokenizer.json"));
}

TEST_F(DamagedCheckpointTest, FailuresOfTheStoreKeepTheirCode) {
  // Each request on its own: whatever fails, the caller learns that another try may help.
  FaultyStore counting(*store_);
  ASSERT_TRUE(Checkpoint::Open(counting, folder_.uri()).ok());
  for (const StoreOp op : {StoreOp::kStat, StoreOp::kRead, StoreOp::kList}) {
    ASSERT_GT(counting.calls(op), 0);
    for (int64_t number = 1; number <= counting.calls(op); ++number) {
      FaultyStore store(*store_, FailOnce(op, number, absl::UnavailableError("try again")));
      EXPECT_TRUE(absl::IsUnavailable(Checkpoint::Open(store, folder_.uri()).status()));
    }
  }
}

TEST_F(DamagedCheckpointTest, AnOverlayReplacesWhatItHas) {
  const auto checkpoint = Checkpoint::Open(*store_, folder_.uri());
  ASSERT_TRUE(checkpoint.ok());
  HostTensor norm = *checkpoint->Read("model.norm.weight");
  norm.bytes.assign(norm.bytes.size(), std::byte{0});
  ASSERT_TRUE(WriteSafetensors(*store_, folder_ / "committed/shard-0.safetensors", {norm}, {}).ok());

  const auto overlay = OverlaySource::Open(*store_, *checkpoint, {folder_ / "committed/shard-0.safetensors"});
  ASSERT_TRUE(overlay.ok()) << overlay.status();
  EXPECT_EQ(overlay->Read("model.norm.weight")->bytes, norm.bytes);
  EXPECT_EQ(overlay->Find("model.norm.weight")->file, folder_ / "committed/shard-0.safetensors");
  EXPECT_EQ(overlay->Read("lm_head.weight")->bytes, checkpoint->Read("lm_head.weight")->bytes);
  EXPECT_NE(checkpoint->Read("model.norm.weight")->bytes, norm.bytes);
  EXPECT_TRUE(absl::IsNotFound(overlay->Read("nothing").status()));
}

// Of tensors that come from the files of a checkpoint, and of one that another file replaces.
TEST_F(DamagedCheckpointTest, TensorsAreReadToWhereTheReaderWantsThem) {
  const auto checkpoint = Checkpoint::Open(*store_, folder_.uri());
  ASSERT_TRUE(checkpoint.ok());
  HostTensor norm = *checkpoint->Read("model.norm.weight");
  norm.bytes.assign(norm.bytes.size(), std::byte{0});
  ASSERT_TRUE(WriteSafetensors(*store_, folder_ / "committed/shard-0.safetensors", {norm}, {}).ok());
  const auto overlay = OverlaySource::Open(*store_, *checkpoint, {folder_ / "committed/shard-0.safetensors"});
  ASSERT_TRUE(overlay.ok()) << overlay.status();

  for (const std::string name : {"model.norm.weight", "lm_head.weight"}) {
    const HostTensor expected = *overlay->Read(name);
    HostBytes bytes;
    const absl::Status read = overlay->ReadTo(name, [&](const TensorEntry& entry) {
      EXPECT_EQ(entry.dtype, expected.dtype);
      EXPECT_EQ(entry.shape, expected.shape);
      bytes.resize(static_cast<size_t>(entry.size));
      return std::span(bytes);
    });
    ASSERT_TRUE(read.ok()) << read;
    EXPECT_EQ(bytes, expected.bytes) << name;
  }
  const auto nowhere = [](const TensorEntry&) { return absl::ResourceExhaustedError("no memory"); };
  EXPECT_TRUE(absl::IsResourceExhausted(overlay->ReadTo("lm_head.weight", nowhere)));
  EXPECT_TRUE(absl::IsNotFound(overlay->ReadTo("nothing", nowhere)));
  HostBytes small(1);
  EXPECT_TRUE(
      absl::IsInternal(overlay->ReadTo("lm_head.weight", [&](const TensorEntry&) { return std::span(small); })));
}

TEST_F(DamagedCheckpointTest, AnOverlayRefusesTwinsAndOtherShapes) {
  const auto checkpoint = Checkpoint::Open(*store_, folder_.uri());
  ASSERT_TRUE(checkpoint.ok());
  HostTensor norm = *checkpoint->Read("model.norm.weight");
  for (const std::string name : {"one", "two"}) {
    ASSERT_TRUE(WriteSafetensors(*store_, folder_ / name, {norm}, {}).ok());
  }
  const absl::Status twins = OverlaySource::Open(*store_, *checkpoint, {folder_ / "one", folder_ / "two"}).status();
  EXPECT_TRUE(absl::IsInvalidArgument(twins));
  EXPECT_THAT(std::string(twins.message()), HasSubstr("/two: tensor \"model.norm.weight\": is in "));
  norm.shape = {4, 4};
  ASSERT_TRUE(WriteSafetensors(*store_, folder_ / "one", {norm}, {}).ok());
  const absl::Status shape = OverlaySource::Open(*store_, *checkpoint, {folder_ / "one"}).status();
  EXPECT_TRUE(absl::IsInvalidArgument(shape));
  EXPECT_THAT(std::string(shape.message()), HasSubstr("[4, 4]"));
}

TEST_F(DamagedCheckpointTest, WeightsBehindALinkThatLeadsOutAreRefusedNotMissed) {
  const TemporaryFolder elsewhere;
  std::filesystem::rename(folder_.path() / kLast, elsewhere.path() / "blob");
  std::filesystem::create_symlink(elsewhere.path() / "blob", folder_.path() / kLast);
  EXPECT_TRUE(absl::IsPermissionDenied(Open())) << Open();
  EXPECT_THAT(std::string(Open().message()), HasSubstr(kLast));
}

}  // namespace
}  // namespace besa::storage
