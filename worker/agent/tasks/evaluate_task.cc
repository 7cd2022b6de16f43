#include "worker/agent/tasks/evaluate_task.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cost/job_options.h"
#include "spdlog/spdlog.h"
#include "storage/base/status_macros.h"
#include "storage/checkpoint/checkpoint.h"
#include "worker/agent/tasks/committed_blocks.h"
#include "worker/agent/tasks/files.h"
#include "worker/agent/tasks/fingerprint.h"
#include "worker/agent/tasks/progress.h"
#include "worker/agent/tasks/stages.h"
#include "worker/text/windows.h"

namespace besa::worker {
namespace {

using storage::Checkpoint;
using storage::OverlaySource;
using storage::Uri;

// The texts as one stretch of work.
class Texts {
 public:
  static absl::StatusOr<Texts> Read(storage::ObjectStore& store, const v1::Assignment& assignment) {
    ASSIGN_OR_RETURN(const Uri folder, Uri::Parse(assignment.tokens_uri(), "tokens_uri"));
    Texts texts;
    for (int i = 0; i < assignment.spec().evaluations_size(); ++i) {
      ASSIGN_OR_RETURN(pruner::TokenWindows windows, ReadTokens(store, folder.Join(EvaluationFile(i))));
      windows.stride = assignment.spec().evaluations(i).stride();
      texts.windows_ += windows.windows;
      texts.texts_.push_back(std::move(windows));
    }
    return texts;
  }

  const pruner::TokenWindows& at(int index) const { return texts_[static_cast<size_t>(index)]; }

  // What the engine reports of one text, as a share of all. The engine counts equal steps for every window.
  pruner::Observer ObserverOf(int index, const TaskObserver& observer) const {
    int64_t before = 0;
    for (int i = 0; i < index; ++i) before += at(i).windows;
    return [this, before, windows = at(index).windows, &observer](const pruner::Progress& progress) {
      const int64_t steps_of_window = progress.steps / windows;
      return observer(
          MakeProgress(progress.stage, progress.step + before * steps_of_window, windows_ * steps_of_window));
    };
  }

 private:
  std::vector<pruner::TokenWindows> texts_;
  int64_t windows_ = 0;
};

v1::Perplexity Describe(const v1::EvaluationSpec& spec, const pruner::TokenWindows& text) {
  v1::Perplexity described;
  described.set_name(spec.name());
  described.set_tokens(pruner::PredictedTokens(text));
  described.set_windows(static_cast<int32_t>(text.windows));
  described.set_sequence_length(static_cast<int32_t>(text.length));
  described.set_stride(spec.stride());
  described.set_text_sha256(text::IdsSha256(text.ids));
  return described;
}

// Measures one text; `pruned` is null for the dense model.
absl::Status Measure(const v1::Assignment& assignment, int index, const pruner::TokenWindows& text,
                     const Checkpoint& checkpoint, const OverlaySource* pruned, const pruner::Observer& observer,
                     pruner::Engine& engine, v1::TaskResult& result) {
  const auto compute = cost::ComputeTypeOf(assignment.spec());
  v1::Perplexity described = Describe(assignment.spec().evaluations(index), text);
  if (pruned == nullptr) {
    ASSIGN_OR_RETURN(const auto measured, engine.Perplexity(checkpoint.config(), checkpoint, text, compute, observer));
    described.set_perplexity(measured.perplexity);
    AddStages(measured.stages, result);
    spdlog::info("{}: perplexity {:.4f} over {} tokens", described.name(), measured.perplexity, measured.tokens);
  } else {
    ASSIGN_OR_RETURN(const auto measured,
                     engine.Compare(checkpoint.config(), checkpoint, *pruned, text, compute, observer));
    described.set_perplexity(measured.pruned_perplexity);
    described.set_kl_divergence(measured.kl_divergence);
    AddStages(measured.stages, result);
    spdlog::info("{}: perplexity {:.4f} (dense {:.4f}), divergence {:.6f} over {} tokens", described.name(),
                 measured.pruned_perplexity, measured.dense_perplexity, measured.kl_divergence, measured.tokens);
  }
  *result.mutable_evaluation()->add_texts() = std::move(described);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<v1::TaskResult> RunEvaluate(const v1::Assignment& assignment, const TaskEnvironment& environment,
                                           const TaskObserver& observer) {
  storage::ObjectStore& store = environment.store;
  ASSIGN_OR_RETURN(const Uri model, Uri::Parse(assignment.spec().model_uri(), "model_uri"));
  RETURN_IF_ERROR(CheckUnchanged(store, model, assignment.inputs()));
  ASSIGN_OR_RETURN(const Checkpoint checkpoint, Checkpoint::Open(store, model));
  ASSIGN_OR_RETURN(const Texts texts, Texts::Read(store, assignment));
  std::optional<OverlaySource> pruned;
  if (assignment.kind() == v1::TASK_KIND_EVALUATE_PRUNED) {
    ASSIGN_OR_RETURN(pruned, OpenCommitted(store, checkpoint, assignment, checkpoint.config().num_hidden_layers));
  }
  v1::TaskResult result;
  result.mutable_evaluation();
  for (int i = 0; i < assignment.spec().evaluations_size(); ++i) {
    RETURN_IF_ERROR(Measure(assignment, i, texts.at(i), checkpoint, pruned ? &*pruned : nullptr,
                            texts.ObserverOf(i, observer), environment.engine, result));
  }
  return result;
}

}  // namespace besa::worker
