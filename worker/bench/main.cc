// besa-bench: what this machine makes of a model's blocks.
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "absl/strings/str_join.h"
#include "storage/base/clock.h"
#include "storage/base/status_macros.h"
#include "worker/bench/block_bench.h"
#include "worker/bench/shapes.h"
#include "worker/pruner/pruner.h"
#include "worker/ranks/child_process.h"
#include "worker/ranks/devices.h"

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
  std::string loss;
  bool float32 = false;
  int ranks = 0;
  bool sharded = false;
  // Of a rank's own process.
  int rank = 0;
  std::string rank_store;
  std::string schedule = "independent";
  std::string activations = "auto";
  bool kernels = false;
};

// The other ranks: processes of this program, with the same arguments.
absl::StatusOr<std::vector<std::unique_ptr<worker::ChildProcess>>> StartOthers(
    const Flags& flags, const std::vector<std::string>& arguments) {
  std::vector<std::unique_ptr<worker::ChildProcess>> others;
  for (int rank = 1; rank < flags.ranks; ++rank) {
    std::vector<std::string> of_rank = arguments;
    of_rank.push_back("--rank=" + std::to_string(rank));
    of_rank.push_back("--rank-store=" + flags.rank_store);
    ASSIGN_OR_RETURN(others.emplace_back(), worker::ChildProcess::Start(of_rank, /*inherited=*/-1));
  }
  return others;
}

absl::Status RunBlock(Flags flags, const std::vector<std::string>& arguments) {
  BlockBenchRequest request{.samples = flags.samples,
                            .length = flags.length,
                            .blocks = flags.blocks,
                            .ranks = flags.ranks,
                            .rank = flags.rank,
                            .sharded = flags.sharded};
  if (flags.sharded && (flags.ranks == 0 || flags.schedule != "independent")) {
    return absl::InvalidArgumentError("--sharded wants --ranks and the schedule independent");
  }
  ASSIGN_OR_RETURN(request.config, NamedShape(flags.shape));
  // One more for what the model says of the next.
  if (flags.sharded && flags.ranks * (flags.blocks + 1) > request.config.num_hidden_layers) {
    return absl::InvalidArgumentError("--sharded: so many sweeps take more blocks than the shape has");
  }
  request.options.preset = flags.preset == "paper" ? pruner::Preset::kPaper : pruner::Preset::kDefault;
  if (flags.method == "wanda") request.options.method = pruner::Method::kWanda;
  request.options.recovery.epochs = flags.recovery;
  request.options.lookahead = flags.loss.empty() ? flags.preset != "paper" : flags.loss == "lookahead";
  if (flags.float32) request.compute = pruner::ComputeType::kFloat32;
  ASSIGN_OR_RETURN(const std::vector<std::string> devices, worker::RankDevices(flags.device, flags.ranks));
  pruner::EngineOptions options = {.device = devices.at(static_cast<size_t>(flags.rank)), .threads = flags.threads};
  if (flags.schedule == "sequential") request.options.schedule = pruner::Schedule::kSequential;
  request.kernels = flags.kernels;
  if (flags.activations == "device") options.activations = pruner::Placement::kDevice;
  if (flags.activations == "host") options.activations = pruner::Placement::kHost;
  std::vector<std::unique_ptr<worker::ChildProcess>> others;
  const bool first = flags.rank == 0;
  if (flags.ranks > 0) {
    if (first) {
      flags.rank_store = (std::filesystem::temp_directory_path() / "besa-bench-").string() + std::to_string(getpid());
      ASSIGN_OR_RETURN(others, StartOthers(flags, arguments));
    }
    options.ranks = pruner::RankOptions{.rank = flags.rank, .size = flags.ranks, .store = flags.rank_store};
  }
  ASSIGN_OR_RETURN(const auto engine, pruner::Engine::Create(options));
  if (first) std::remove(flags.rank_store.c_str());
  ASSIGN_OR_RETURN(const BlockBenchResult result, BenchBlock(*engine, request, Clock::Real()));
  if (!first) return absl::OkStatus();
  std::printf("%s, preset %s, %s, activations %s, on %s\n%s", flags.shape.c_str(), flags.preset.c_str(),
              flags.schedule.c_str(), flags.activations.c_str(), engine->device().model.c_str(),
              Describe(request, result).c_str());
  for (const auto& other : others) {
    const std::string ended = other->End(absl::Minutes(1));
    if (other->exit_status() != 0) return absl::InternalError("another rank " + ended);
  }
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
  block.add_option("--loss", flags.loss, "block or lookahead [lookahead, but block for the preset paper]")
      ->check(CLI::IsMember({"block", "lookahead"}));
  block
      .add_option("--ranks", flags.ranks, "Processes that prune together, on the CPU or on cuda:N and those behind it")
      ->check(CLI::Range(0, 64))
      ->capture_default_str();
  block.add_flag("--sharded", flags.sharded,
                 "With --ranks: sharded sweeps, in which every rank prunes a block of its own; --blocks counts sweeps");
  block.add_option("--rank", flags.rank)->group("");
  block.add_option("--rank-store", flags.rank_store)->group("");
  block.add_option("--schedule", flags.schedule, "independent or sequential")
      ->check(CLI::IsMember({"independent", "sequential"}))
      ->capture_default_str();
  block.add_option("--activations", flags.activations, "Where calibration activations are kept: auto, device or host")
      ->check(CLI::IsMember({"auto", "device", "host"}))
      ->capture_default_str();
  block.add_flag("--kernels", flags.kernels, "On a GPU: also the time of a step's kernels");
  block.add_flag("--float32", flags.float32, "Compute in float32 on a GPU, too");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  const absl::Status status = RunBlock(flags, {argv, argv + argc});
  if (status.ok()) return 0;
  std::fprintf(stderr, "besa-bench: %s\n", std::string(status.message()).c_str());
  return 1;
}

}  // namespace
}  // namespace besa::bench

int main(int argc, char** argv) { return besa::bench::Main(argc, argv); }
