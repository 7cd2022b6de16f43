#include "worker/agent/tasks/evaluate_task.h"

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "spdlog/spdlog.h"
#include "storage/base/status_macros.h"
#include "storage/checkpoint/checkpoint.h"
#include "worker/agent/failure_reason.h"
#include "worker/agent/tasks/files.h"
#include "worker/agent/tasks/fingerprint.h"
#include "worker/agent/tasks/job_options.h"
#include "worker/agent/tasks/progress.h"
#include "worker/agent/tasks/stages.h"
#include "worker/text/windows.h"

namespace besa::worker {
namespace {

using storage::Checkpoint;
using storage::OverlaySource;
using storage::Uri;

// Weight files of the committed blocks.
absl::StatusOr<std::vector<Uri>> CommittedShards(const v1::Assignment& assignment) {
  std::vector<Uri> shards;
  for (const v1::CommittedBlock& block : assignment.committed_blocks()) {
    ASSIGN_OR_RETURN(const Uri folder, Uri::Parse(block.attempt_uri(), "attempt_uri"));
    for (const v1::File& file : block.files()) {
      if (!absl::StartsWith(file.path(), "shard-")) continue;
      ASSIGN_OR_RETURN(Uri shard, folder.JoinUntrusted(file.path(), "committed_blocks.files.path"));
      shards.push_back(std::move(shard));
    }
  }
  return shards;
}

absl::StatusOr<OverlaySource> OpenPruned(storage::ObjectStore& store, const Checkpoint& checkpoint,
                                         const v1::Assignment& assignment) {
  const int64_t blocks = checkpoint.config().num_hidden_layers;
  if (assignment.committed_blocks_size() != blocks) {
    return absl::InternalError(absl::StrCat("the assignment has ", assignment.committed_blocks_size(),
                                            " committed blocks, the model ", blocks));
  }
  ASSIGN_OR_RETURN(const std::vector<Uri> shards, CommittedShards(assignment));
  auto overlay = OverlaySource::Open(store, checkpoint, shards);
  if (!overlay.ok()) return StorageFailure(overlay.status());
  return overlay;
}

}  // namespace

absl::StatusOr<v1::TaskResult> RunEvaluate(const v1::Assignment& assignment, const TaskEnvironment& environment,
                                           const TaskObserver& observer) {
  storage::ObjectStore& store = environment.store;
  ASSIGN_OR_RETURN(const Uri model, Uri::Parse(assignment.spec().model_uri(), "model_uri"));
  ASSIGN_OR_RETURN(const Uri tokens, Uri::Parse(assignment.tokens_uri(), "tokens_uri"));
  RETURN_IF_ERROR(CheckUnchanged(store, model, assignment.inputs()));
  ASSIGN_OR_RETURN(const Checkpoint checkpoint, Checkpoint::Open(store, model));
  ASSIGN_OR_RETURN(const pruner::TokenWindows text, ReadTokens(store, tokens.Join(kEvaluationFile)));

  std::optional<OverlaySource> pruned;
  if (assignment.kind() == v1::TASK_KIND_EVALUATE_PRUNED) {
    ASSIGN_OR_RETURN(pruned, OpenPruned(store, checkpoint, assignment));
  }
  const storage::TensorSource& source = pruned ? static_cast<const storage::TensorSource&>(*pruned) : checkpoint;
  ASSIGN_OR_RETURN(const pruner::PerplexityResult measured,
                   environment.engine.Perplexity(checkpoint.config(), source, text, ComputeTypeOf(assignment.spec()),
                                                 EngineObserver(observer)));
  spdlog::info("perplexity {:.4f} over {} tokens", measured.perplexity, measured.tokens);

  v1::TaskResult result;
  AddStages(measured.stages, result);
  v1::Perplexity& perplexity = *result.mutable_perplexity();
  perplexity.set_perplexity(measured.perplexity);
  perplexity.set_tokens(measured.tokens);
  perplexity.set_windows(static_cast<int32_t>(text.windows));
  perplexity.set_sequence_length(static_cast<int32_t>(text.length));
  perplexity.set_text_sha256(text::IdsSha256(text.ids));
  return result;
}

}  // namespace besa::worker
