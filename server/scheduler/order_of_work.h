// Which block of a job a worker prunes next in the schedule `independent`.
//
// Blocks may be pruned in any order, but a worker that is to prune block s needs the dense model's activations in front
// of it, and walks there: a forward pass through every block on its way, from where its activations stand, from the
// embeddings, or from the nearest stored boundary. Behind a block it has just pruned it stands for nothing. So each
// worker should prune a contiguous range, and since those that begin further on have walked longer, the ranges shrink.
//
// No range is stored anywhere. A free stretch right behind a block that is being pruned is its worker's; how much of it
// that worker will get to before everybody can be done is worked out anew for each who asks, and the rest is split
// among the one who asks and those who are expected to. That is stealing, too: whoever has nothing to go on with gets a
// place so far along another's stretch that both arrive at their ends at the same time.
//
// Pure functions; times are in any unit, the same throughout.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace besa::server {

// How fast a worker is.
struct Pace {
  // Pruning a block whose input activations it has; the activations behind it come with that.
  double block = 1.0;
  // A walk through one block. The default was measured on an H200, at the shapes of 7B and 70B models.
  double forward = 0.22;
};

// A worker that prunes a block.
struct RunningBlock {
  int32_t block = 0;
  // Time until it has done so.
  double remaining = 0.0;
  Pace pace;
};

struct WorkState {
  // By block: nobody prunes it and it has to be pruned.
  std::vector<bool> free;
  std::vector<RunningBlock> running;
  // Blocks in front of which activations are stored, ascending, and the time that loading them takes.
  std::vector<int32_t> boundaries;
  double load = 0.0;
  // Workers that have nothing to do and will ask soon, beside the one that asks, and how fast they are.
  int32_t others = 0;
  Pace others_pace;
};

struct Asker {
  // The block whose input activations it holds.
  std::optional<int32_t> cursor;
  Pace pace;
};

// The time from activations in front of `cursor`, if any, to those in front of `block`.
double TimeToReach(const WorkState& state, std::optional<int32_t> cursor, int32_t block, const Pace& pace);

// The block that the asker prunes next. nullopt if none is free, or if those at work will have pruned all of them
// before it would be done with a single one: never while nobody is at work.
std::optional<int32_t> NextBlock(const WorkState& state, const Asker& asker);

// The least time in which all blocks can be pruned by those at work and `asker`, if there is one, and the others; for
// tests and for the choice between walking and storing.
double TimeToFinish(const WorkState& state, const std::optional<Asker>& asker);

}  // namespace besa::server
