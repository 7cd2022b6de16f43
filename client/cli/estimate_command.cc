#include <memory>
#include <string>

#include "CLI/CLI.hpp"
#include "client/cli/commands.h"
#include "client/cli/context.h"
#include "client/cli/estimate_text.h"
#include "client/cli/spec_flags.h"

namespace besa::client {
namespace {

struct EstimateFlags {
  SpecFlags spec;
  int workers = 0;
  std::string device_kind;
};

int Estimate(const Context& context, const EstimateFlags& flags) {
  auto create = MakeCreateRequest(flags.spec, context.surroundings.directory);
  if (!create.ok()) return context.Fail(create.status());
  v1::EstimateJobRequest request;
  *request.mutable_job() = std::move(*create->mutable_job());
  request.set_workers(flags.workers);
  request.set_device_kind(flags.device_kind);
  const auto estimate = context.Connect().EstimateJob(request);
  return estimate.ok() ? context.Show(*estimate, DescribeEstimate(*estimate)) : context.Fail(estimate.status());
}

}  // namespace

void AddEstimateCommand(CLI::App& app, Context& context) {
  const auto flags = std::make_shared<EstimateFlags>();
  CLI::App& estimate = *app.add_subcommand(
      "estimate", "What `prune` would take: time, memory and bytes moved, for so many workers; starts nothing");
  AddSpecFlags(estimate, flags->spec);
  estimate.add_option("--workers", flags->workers, "How many workers, all alike [those that are connected]")
      ->check(CLI::PositiveNumber);
  estimate.add_option("--device-kind", flags->device_kind,
                      "Their device: h200, h100, cpu, or a model as `workers list` shows it [that of the connected]");
  estimate.callback([flags, &context] { context.run = [flags, &context] { return Estimate(context, *flags); }; });
}

}  // namespace besa::client
