// Decompression of a stream, in bounded memory: .gz (also several members), .xz and .zst (also several frames).
#pragma once

#include <memory>
#include <string>

#include "worker/text/byte_source.h"

namespace besa::text {

enum class Compression { kNone, kGzip, kXz, kZstd };

// What `input` holds, decompressed. Reading fails with INVALID_ARGUMENT, naming `file`, for data that is corrupt or
// ends too soon, and for xz or zstd streams that want more than 256 MiB of window.
std::unique_ptr<ByteSource> Decompress(std::unique_ptr<ByteSource> input, Compression compression, std::string file);

}  // namespace besa::text
