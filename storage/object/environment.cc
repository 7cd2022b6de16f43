#include "storage/object/environment.h"

#include <cstdlib>

namespace besa::storage {

std::optional<std::string> ProcessEnvironment(const std::string& name) {
  const char* const value = std::getenv(name.c_str());
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

}  // namespace besa::storage
