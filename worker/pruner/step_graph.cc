#include "worker/pruner/step_graph.h"

#include <ATen/cuda/CUDAGraph.h>
#include <ATen/ops/empty_like.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <map>
#include <utility>

namespace besa::pruner {

struct StepGraph::Recorded {
  // Where the graph reads its inputs from, and where it leaves its result.
  Inputs inputs;
  at::Tensor result;
  at::cuda::CUDAGraph graph;
  bool complete = false;
};

namespace {

// The default stream cannot be recorded. Always the same one: libraries keep a workspace for each stream that they were
// called on (cuBLAS 32 MiB and more), for good.
c10::cuda::CUDAStream RecordingStream(c10::DeviceIndex device) {
  thread_local std::map<c10::DeviceIndex, c10::cuda::CUDAStream> streams;
  const auto found = streams.find(device);
  if (found != streams.end()) return found->second;
  return streams.emplace(device, c10::cuda::getStreamFromPool(/*isHighPriority=*/false, device)).first->second;
}

}  // namespace

StepGraph::StepGraph(Step step) : step_(std::move(step)) {}
StepGraph::~StepGraph() = default;

at::Tensor StepGraph::Run(const Inputs& inputs) {
  const at::Tensor& first = inputs[0];
  if (!first.is_cuda()) return step_(inputs);
  if (recorded_ == nullptr) {
    recorded_ = std::make_unique<Recorded>();
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (inputs[i].defined()) recorded_->inputs[i] = at::empty_like(inputs[i], at::MemoryFormat::Contiguous);
    }
    return step_(inputs);
  }
  if (first.sizes() != recorded_->inputs[0].sizes()) return step_(inputs);
  if (!recorded_->complete) Record();
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i].defined()) recorded_->inputs[i].copy_(inputs[i]);
  }
  recorded_->graph.replay();
  return recorded_->result;
}

void StepGraph::Record() {
  // What the first call left in the allocator's cache would stay there unused, beside what the graph takes.
  c10::cuda::CUDACachingAllocator::emptyCache();
  // Nothing runs meanwhile, so there is nothing to wait for.
  const c10::cuda::CUDAStreamGuard guard(RecordingStream(recorded_->inputs[0].get_device()));
  // Other threads may go on allocating meanwhile.
  recorded_->graph.capture_begin(/*pool=*/{0, 0}, cudaStreamCaptureModeThreadLocal);
  try {
    recorded_->result = step_(recorded_->inputs);
  } catch (...) {
    // A stream that goes on recording could not be used for anything else.
    recorded_->graph.capture_end();
    recorded_.reset();
    throw;
  }
  recorded_->graph.capture_end();
  recorded_->complete = true;
}

}  // namespace besa::pruner
