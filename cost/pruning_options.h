// How a block is to be pruned: what decides what comes out, what it costs and how much memory it takes.
#pragma once

#include <cstdint>

#include "storage/checkpoint/model_config.h"

namespace besa::cost {

enum class Method { kBesa, kMagnitude, kWanda, kSparseGpt };
enum class Preset { kDefault, kPaper };
enum class Granularity { kRow, kLayer };
// Which activations a block is pruned on: the dense model's, or those that the pruned blocks before it lead to.
enum class Schedule { kIndependent, kSequential };
// What a block's output is compared with in the sequential schedule: the dense model's activations behind the block, or
// the dense block's output on the pruned inputs. In the independent schedule the two are the same.
enum class Reference { kDenseStream, kPrunedStream };
enum class ComputeType { kFloat32, kBFloat16 };

// N:M sparsity: of every `of` consecutive inputs of a row, `kept` weights stay. 0:0 means anywhere in the row.
struct Pattern {
  int64_t kept = 0;
  int64_t of = 0;

  bool given() const { return of != 0; }
};

// When recovery removes what the method has chosen to remove: before its first step, or bit by bit.
enum class RecoveryMasks { kGrowing, kFixed };

// Recovery: what is kept of a block, tuned against its reconstruction loss.
struct RecoveryOptions {
  // Passes over the samples; 0: no recovery.
  int64_t epochs = 0;
  // Of Adam's first step; it falls to 0 along half a cosine.
  double learning_rate = 0.0;
  int64_t batch_size = 0;
  RecoveryMasks masks = RecoveryMasks::kGrowing;
  // A step also moves every weight towards the dense one, by this times its learning rate of the way.
  double decay = 0.0;
  // Every so-manyth pass takes the dense model's activations as inputs; 0: none. In the sequential schedule with the
  // dense stream as reference alone.
  int64_t dense_every = 0;

  bool given() const { return epochs > 0; }
  bool operator==(const RecoveryOptions&) const = default;
};

// How to prune a block. Zeros mean: the preset's or the method's value (see ResolveOptions).
struct BesaOptions {
  Method method = Method::kBesa;
  double sparsity = 0.5;
  // Not for BESA. `sparsity` must be its 1 - kept / of.
  Pattern pattern;
  Schedule schedule = Schedule::kIndependent;
  Reference reference = Reference::kDenseStream;

  // Of BESA.
  Preset preset = Preset::kDefault;
  Granularity granularity = Granularity::kRow;
  int64_t batch_size = 0;
  int64_t epochs = 0;
  double d_coef = 0.0;
  double prior_sigma = 0.0;

  // Of SparseGPT: columns a mask is chosen for at once, and the share of the Hessian's mean diagonal added to it.
  int64_t sparsegpt_block_size = 0;
  double sparsegpt_damping = 0.0;

  // Of every method.
  RecoveryOptions recovery;
  // Whether the loss that the allocation is learned on, and recovery, looks behind the next block, too, left dense.
  bool lookahead = false;
};

// Fills in every zero that the method reads. BESA: d_coef by granularity and model size as published, batch size and
// epochs by preset and number of samples. SparseGPT: block size 128, damping 0.01. Recovery: learning rate 0.001, four
// samples a step.
//
// Where several ranks prune a block together and the options do not say how large a batch is, BESA's default preset
// gives each of them as many samples of it as any other, at least one, and goes through the samples again if less than
// 64 steps would be left. Everything else is as with one rank.
BesaOptions ResolveOptions(const BesaOptions& options, const storage::ModelConfig& config, int64_t samples,
                           int64_t ranks = 1);

// Which activations pruning a block takes: the dense model's, those that the pruned blocks before it lead to, or both.
bool TakesDenseStream(const BesaOptions& options);
bool TakesPrunedStream(const BesaOptions& options);

// Whether the dense model's activations are kept in front of the block, too, while the dense stream behind it is the
// reference.
bool KeepsDenseInputs(const BesaOptions& options);

// Whether the loss looks ahead, where anything is trained by one. Behind the last block there is nothing to look at.
bool LooksAhead(const BesaOptions& options);

// Of a batch of so many windows, those with which the allocation's loss looks ahead: in independent blocks that are not
// recovered, where time counts most, the first half, which does as well there. Recovery looks ahead with all.
int64_t WindowsLookingAhead(const BesaOptions& options, int64_t batch);

// Whether the pass of looking ahead is the one in which the next block's statistics are taken, for who prunes that one,
// too: in the independent schedule, whose blocks see nothing but the dense stream. SparseGPT's are too large to be held
// meanwhile.
bool ObservesAhead(const BesaOptions& options);

}  // namespace besa::cost
