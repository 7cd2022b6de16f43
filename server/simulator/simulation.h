// A fleet that works on one job, in simulated time: the coordinator's own scheduling functions decide who gets what,
// and measured times say how long it takes. Whatever a run comes to, it comes to again. Pure.
//
// Two things ask it: besa-simulate (tests/simulator, docs/simulation.md), and estimates (server/estimate).
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "besa/v1/job.pb.h"
#include "besa/v1/task.pb.h"

namespace besa::simulator {

// A model on one kind of device. Seconds for all calibration windows.
struct Shape {
  std::string name;
  int32_t blocks = 0;
  // Pruning a block, the dense forward to the next among it.
  double block_seconds = 0.0;
  // The dense forward through a block alone.
  double forward_seconds = 0.0;
  // Of a block's weights, and of the activations in front of a block.
  double block_bytes = 0.0;
  double boundary_bytes = 0.0;
};

// Seconds of the tasks that prune nothing, beside the preparation, and what every task takes beyond its work. An
// evaluation of 0 s does not take place.
struct OtherTasks {
  // Copied beside what its worker does next, which it does not hold up.
  double passthrough = 0.0;
  double evaluate_dense = 0.0;
  double evaluate_pruned = 0.0;
  double every_task = 0.0;
};

// What one worker moves.
struct Bandwidth {
  // Weights, from the store or a cache near by. They are read ahead while the device computes.
  double weights_per_second = 0.0;
  // Results and stored activations, to and from the store. Results are written before a block is committed; activations
  // are written while the sweep goes on.
  double store_per_second = 0.0;
};

struct SimulatedWorker {
  // 2 is twice as fast as the shape says.
  double speed = 1.0;
  double joins = 0.0;
  double dies = std::numeric_limits<double>::infinity();
};

struct Scenario {
  Shape shape;
  Bandwidth bandwidth;
  OtherTasks others;
  v1::Schedule schedule = v1::SCHEDULE_INDEPENDENT;
  v1::Activations activations = v1::ACTIVATIONS_WALKED;
  // Calibration windows and their tokens: what sweeps share.
  int32_t windows = 128;
  int32_t window_tokens = 2048;
  std::vector<SimulatedWorker> workers;
  double lease_term = 30.0;
  // Whether the results of a block go to the store while the next one is pruned.
  bool writes_beside = false;
};

// One attempt at a task, for plots.
struct Span {
  int32_t worker = 0;
  // -1: a sweep.
  int32_t block = -1;
  double start = 0.0;
  // When the activations in front of the block were there.
  double arrived = 0.0;
  double end = 0.0;
  bool lost = false;
};

struct Outcome {
  // From the end of preparation to the commit of the last block.
  double seconds = 0.0;
  // The same to the commit of the last task.
  double all_seconds = 0.0;
  // Blocks walked through to get somewhere, over all windows: dense forwards that a single worker would not have made.
  double extra_forwards = 0.0;
  // Walks that began with the embeddings.
  int32_t starts = 0;
  // Shares of the sweeps that were begun.
  std::vector<v1::SweepShare> sweeps;
  // Stored activations that were fetched, in boundaries.
  int32_t boundaries_read = 0;
  // Read by all workers together: weights for walks and for pruning, stored activations.
  double bytes_read = 0.0;
  // Attempts at blocks that came to nothing because their worker died.
  int32_t lost_attempts = 0;
  // What these had spent, and of that on the way to the block.
  double lost_seconds = 0.0;
  std::vector<Span> spans;
};

// The job must come to an end: somebody has to live.
Outcome Simulate(const Scenario& scenario);

// Workers of one speed that are there from the beginning to the end.
std::vector<SimulatedWorker> EqualWorkers(int32_t count);

}  // namespace besa::simulator
