// Bytes in memory that somebody is about to fill.
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <utility>
#include <vector>

namespace besa {

// An allocator whose new elements hold whatever was there, where no value is given for them.
template <typename T>
class UninitializedAllocator : public std::allocator<T> {
 public:
  template <typename U>
  struct rebind {  // NOLINT(readability-identifier-naming): the standard's name
    using other = UninitializedAllocator<U>;
  };

  UninitializedAllocator() = default;
  template <typename U>
  // NOLINTNEXTLINE(google-explicit-constructor): the standard wants the conversion.
  UninitializedAllocator(const UninitializedAllocator<U>&) {}

  template <typename U>
  void construct(U* place) {  // NOLINT(readability-identifier-naming): the standard's name
    ::new (static_cast<void*>(place)) U;
  }
  template <typename U, typename... Arguments>
  void construct(U* place, Arguments&&... arguments) {  // NOLINT(readability-identifier-naming)
    ::new (static_cast<void*>(place)) U(std::forward<Arguments>(arguments)...);
  }
};

// A vector whose resize(n) writes nothing: gigabytes that are read next need no zeros first. HostBytes(n, std::byte{0})
// does.
using HostBytes = std::vector<std::byte, UninitializedAllocator<std::byte>>;

}  // namespace besa
