// Masks that a baseline chooses by scores, and what prune_block makes of them.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "worker/pruner/pruner.h"
#include "worker/pruner/pruning_method.h"

namespace besa::pruner {

// Bool, like `scores`: true for the `count` smallest of all, equal ones in the order of rows, then columns.
at::Tensor SmallestOfAll(const at::Tensor& scores, int64_t count);

// Bool, like `scores` [rows, cols]: in every group of pattern.of columns, true for the pattern.of - pattern.kept
// smallest, equal ones in the order of columns. `cols` is a multiple of pattern.of.
at::Tensor SmallestOfGroups(const at::Tensor& scores, const Pattern& pattern);

// The columns of each row of `scores` [rows, cols], as RankRows gives them (uint16 values in an int16 tensor): first
// the smallest of every group of pattern.of columns, then the second smallest of every group and so on, each lot by
// ascending score, equal ones by column. So the first cols * (1 - kept / of) of a row are SmallestOfGroups.
at::Tensor RankByGroups(const at::Tensor& scores, const Pattern& pattern);

// A linear that loses the weights where `remove` [rows, cols] is true.
LinearPruning FromMask(const at::Tensor& remove);

}  // namespace besa::pruner
