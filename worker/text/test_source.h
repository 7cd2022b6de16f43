// A ByteSource over a string, in pieces of a chosen size. For tests.
#pragma once

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "worker/text/byte_source.h"

namespace besa::text {

class StringSource final : public ByteSource {
 public:
  explicit StringSource(std::string text, size_t piece = 7) : text_(std::move(text)), piece_(piece) {}

  absl::StatusOr<size_t> Read(std::span<std::byte> out) override {
    const size_t size = std::min({out.size(), piece_, text_.size() - offset_});
    std::memcpy(out.data(), text_.data() + offset_, size);
    offset_ += size;
    return size;
  }

 private:
  const std::string text_;
  const size_t piece_;
  size_t offset_ = 0;
};

}  // namespace besa::text
