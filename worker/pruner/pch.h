// What nearly every file of this folder needs of LibTorch, compiled once.
#pragma once

#include <ATen/Context.h>
#include <ATen/core/Tensor.h>
