#pragma once

#include "gloo/declarations.h"  // IWYU pragma: export
