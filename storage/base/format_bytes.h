// Sizes as people read them.
#pragma once

#include <cstdint>
#include <string>

namespace besa {

// "512 B", "5.4 MiB", "129.0 GiB".
std::string FormatBytes(int64_t bytes);

}  // namespace besa
