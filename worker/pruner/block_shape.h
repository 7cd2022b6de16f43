// The shape of a block and its linears: see cost/block_shape.h.
#pragma once

#include "cost/block_shape.h"

namespace besa::pruner {

using cost::BlockShape;
using cost::Group;
using cost::kAllLinears;
using cost::kGroups;
using cost::kLinears;
using cost::Linear;
using enum cost::Linear;
using enum cost::Group;

}  // namespace besa::pruner
