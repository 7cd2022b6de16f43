// Environment variables as a dependency, so that tests set them by hand.
#pragma once

#include <functional>
#include <optional>
#include <string>

namespace besa::storage {

// The value of a variable; nothing if it is not set. Must be thread-safe.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;

// The environment of this process.
std::optional<std::string> ProcessEnvironment(const std::string& name);

}  // namespace besa::storage
