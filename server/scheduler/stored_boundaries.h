// Stored boundaries: activations of the dense model in front of some blocks, made by sweep tasks before the first block
// is pruned, so that nobody has to walk far.
//
// Whether they pay, which blocks they lie in front of, and who walks what, is decided when the job is created.
#pragma once

#include <cstdint>
#include <vector>

#include "besa/v1/job.pb.h"
#include "besa/v1/task.pb.h"
#include "besa/v1/worker_service.pb.h"

#include "server/scheduler/context.h"
#include "server/state/rows.h"

namespace besa::server {

// What a job asks of its workers and their store, as far as it is known when the job is created.
struct SweepCosts {
  // Seconds.
  double block = 0.0;
  double forward = 0.0;
  // Bytes of one boundary and of a block's weights, and how fast one worker moves bytes to and from the store.
  double boundary_bytes = 0.0;
  double weight_bytes = 0.0;
  double bytes_per_second = 0.0;
};

// By the model's shape, for the fastest devices known: where compute is slower, storing pays all the more.
SweepCosts EstimateSweepCosts(const v1::ModelSummary& model, const v1::CalibrationSpec& calibration,
                              double bytes_per_second);

// ACTIVATIONS_STORED or ACTIVATIONS_WALKED, whichever lets `workers` be done sooner; walked if there is little in it.
// Every sweep reads the weights of all blocks, so that a small share of the windows is bound by the store.
v1::Activations ChooseActivations(int32_t blocks, const SweepCosts& costs, int32_t workers);

// How workers come by activations: as `asked`, or if that is left open as ChooseActivations has it; in the sequential
// schedule they walk.
v1::Activations ResolveActivations(const v1::JobSpec& spec, v1::Activations asked, const v1::ModelSummary& model,
                                   int32_t workers, double bytes_per_second);

// Blocks with stored inputs: evenly spread, two for each worker, never block 0, whose input are the embeddings.
std::vector<int32_t> PlanBoundaries(int32_t blocks, int32_t workers);

// The windows cut into shares, one for each worker, each a whole number of the batches in which engines walk, so
// that activations come out the same, bit for bit, as in one walk of all windows. At least one share.
std::vector<v1::SweepShare> PlanShares(const v1::CalibrationSpec& calibration, int32_t workers,
                                       const std::vector<int32_t>& boundaries);

// Whether blocks wait for sweeps.
bool StoresActivations(const JobRows& rows);

// Blocks whose inputs all sweeps of the job have stored, ascending; none while one of them is not committed.
std::vector<int32_t> CommittedBoundaries(const JobRows& rows);

// The stored boundary nearest before `block`; without parts if there is none.
v1::StoredBoundary BoundaryBefore(const JobRows& rows, int32_t block);

}  // namespace besa::server
