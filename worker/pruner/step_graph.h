// A training step as one CUDA graph: recorded once, then launched as a whole, for every block of a shape.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>

#include "worker/pruner/activations.h"

namespace besa::pruner {

// Runs a function of some tensors that always does the same work on the device. On a CPU it simply calls it. On CUDA
// the first call runs it (libraries set themselves up), the second records it into a graph, and from then on the graph
// is launched: without the host's part of some hundred launches, and at fixed addresses, which must not change
// meanwhile. Inputs of another shape than the first (a last batch that is smaller) are never recorded. Not thread-safe.
//
// Memory: what the function allocates while it is recorded stays allocated, as do copies of the inputs.
class StepGraph {
 public:
  // Which of them are undefined must not change.
  using Inputs = ActivationFeed::Batch;
  using Step = std::function<at::Tensor(const Inputs& inputs)>;

  explicit StepGraph(Step step);
  ~StepGraph();
  StepGraph(const StepGraph&) = delete;
  StepGraph& operator=(const StepGraph&) = delete;

  // What the function returned; on CUDA its content is valid until the next call.
  at::Tensor Run(const Inputs& inputs);

 private:
  struct Recorded;

  void Record();

  Step step_;
  std::unique_ptr<Recorded> recorded_;
};

}  // namespace besa::pruner
