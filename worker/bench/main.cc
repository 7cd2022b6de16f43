// besa-bench: what this machine makes of a model's blocks.
#include <cstdio>
#include <string>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "absl/strings/str_join.h"
#include "storage/base/clock.h"
#include "storage/base/status_macros.h"
#include "worker/bench/block_bench.h"
#include "worker/bench/shapes.h"
#include "worker/pruner/pruner.h"

namespace besa::bench {
namespace {

struct Flags {
  std::string device = "cuda:0";
  int threads = 0;
  std::string shape = "llama-7b";
  int64_t samples = 128;
  int64_t length = 2048;
  int64_t blocks = 3;
  std::string preset = "default";
  std::string method = "besa";
  int64_t recovery = 0;
  bool float32 = false;
};

absl::Status RunBlock(const Flags& flags) {
  BlockBenchRequest request{.samples = flags.samples, .length = flags.length, .blocks = flags.blocks};
  ASSIGN_OR_RETURN(request.config, NamedShape(flags.shape));
  request.options.preset = flags.preset == "paper" ? pruner::Preset::kPaper : pruner::Preset::kDefault;
  if (flags.method == "wanda") request.options.method = pruner::Method::kWanda;
  request.options.recovery.epochs = flags.recovery;
  if (flags.float32) request.compute = pruner::ComputeType::kFloat32;
  ASSIGN_OR_RETURN(const auto engine, pruner::Engine::Create({.device = flags.device, .threads = flags.threads}));
  std::printf("%s, preset %s, on %s\n", flags.shape.c_str(), flags.preset.c_str(), engine->device().model.c_str());
  ASSIGN_OR_RETURN(const BlockBenchResult result, BenchBlock(*engine, request, Clock::Real()));
  std::printf("%s", Describe(request, result).c_str());
  return absl::OkStatus();
}

int Main(int argc, char** argv) {
  Flags flags;
  CLI::App app("Measures what this machine makes of a model's blocks.", "besa-bench");
  app.require_subcommand(1);
  CLI::App& block = *app.add_subcommand("block", "Prunes random blocks of a shape: seconds by stage against the floor");
  block.add_option("--shape", flags.shape, "One of " + absl::StrJoin(ShapeNames(), ", "))->capture_default_str();
  block.add_option("--device", flags.device, "cpu or cuda:N")->capture_default_str();
  block.add_option("--threads", flags.threads, "CPU threads; 0 means all")->capture_default_str();
  block.add_option("--samples", flags.samples, "Calibration samples")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  block.add_option("--length", flags.length, "Tokens of a sample")
      ->check(CLI::Range(2, 1 << 17))
      ->capture_default_str();
  block.add_option("--blocks", flags.blocks, "Blocks to prune, one after the other; the first does not count")
      ->check(CLI::Range(2, 64))
      ->capture_default_str();
  block.add_option("--preset", flags.preset, "default or paper")
      ->check(CLI::IsMember({"default", "paper"}))
      ->capture_default_str();
  block.add_option("--method", flags.method, "besa or wanda")
      ->check(CLI::IsMember({"besa", "wanda"}))
      ->capture_default_str();
  block.add_option("--recovery", flags.recovery, "Passes of recovery; 0: none")
      ->check(CLI::Range(0, 1 << 10))
      ->capture_default_str();
  block.add_flag("--float32", flags.float32, "Compute in float32 on a GPU, too");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  const absl::Status status = RunBlock(flags);
  if (status.ok()) return 0;
  std::fprintf(stderr, "besa-bench: %s\n", std::string(status.message()).c_str());
  return 1;
}

}  // namespace
}  // namespace besa::bench

int main(int argc, char** argv) { return besa::bench::Main(argc, argv); }
