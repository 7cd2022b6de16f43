#include "worker/text/decompress.h"

#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "storage/base/status_macros.h"

namespace besa::text {
namespace {

constexpr size_t kInputBytes = size_t{1} << 20;
constexpr int kMaxWindowLog = 28;
constexpr uint64_t kMaxWindowBytes = uint64_t{1} << kMaxWindowLog;

// Feeds a decoder from the input and reports truncation; what decoding is, the derived class says.
class Decoder : public ByteSource {
 public:
  Decoder(std::unique_ptr<ByteSource> input, std::string file)
      : input_(std::move(input)), file_(std::move(file)), buffer_(kInputBytes) {}

  absl::StatusOr<size_t> Read(std::span<std::byte> out) final {
    size_t written = 0;
    while (written == 0 && !out.empty()) {
      if (pending_.empty() && !at_end_) {
        ASSIGN_OR_RETURN(const size_t size, input_->Read(buffer_));
        pending_ = std::span<std::byte>(buffer_).first(size);
        at_end_ = size == 0;
      }
      if (pending_.empty() && BetweenStreams()) {
        if (empty_) return absl::InvalidArgumentError(absl::StrCat(file_, " is truncated: it is empty"));
        return size_t{0};
      }
      const size_t before = pending_.size();
      ASSIGN_OR_RETURN(written, Decode(pending_, out));
      empty_ = false;
      if (at_end_ && written == 0 && pending_.size() == before && !BetweenStreams()) {
        return absl::InvalidArgumentError(absl::StrCat(file_, " is truncated: its compressed data ends too soon"));
      }
    }
    return written;
  }

 protected:
  // Takes bytes off the front of `input` (empty at the end of the file), puts bytes at the front of `out` and returns
  // how many.
  virtual absl::StatusOr<size_t> Decode(std::span<std::byte>& input, std::span<std::byte> out) = 0;
  // Whether the file may end here.
  virtual bool BetweenStreams() const = 0;

  bool at_end() const { return at_end_; }

  absl::Status Corrupt(absl::string_view why) const {
    return absl::InvalidArgumentError(absl::StrCat(file_, " cannot be decompressed: ", why));
  }

 private:
  std::unique_ptr<ByteSource> input_;
  std::string file_;
  std::vector<std::byte> buffer_;
  std::span<std::byte> pending_;
  bool at_end_ = false;
  bool empty_ = true;
};

class GzipDecoder final : public Decoder {
 public:
  using Decoder::Decoder;
  ~GzipDecoder() override { inflateEnd(&stream_); }

 private:
  absl::StatusOr<size_t> Decode(std::span<std::byte>& input, std::span<std::byte> out) override {
    if (finished_) {
      // 16 selects the gzip header; a new member begins after the last one.
      const int started = initialised_ ? inflateReset(&stream_) : inflateInit2(&stream_, 16 + MAX_WBITS);
      if (started != Z_OK) return absl::ResourceExhaustedError("zlib could not be set up");
      initialised_ = true;
      finished_ = false;
    }
    stream_.next_in = reinterpret_cast<Bytef*>(input.data());
    stream_.avail_in = static_cast<uInt>(input.size());
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    stream_.avail_out = static_cast<uInt>(std::min<size_t>(out.size(), kInputBytes));
    const size_t room = stream_.avail_out;
    const int result = inflate(&stream_, Z_NO_FLUSH);
    input = input.last(stream_.avail_in);
    if (result == Z_STREAM_END) {
      finished_ = true;
    } else if (result != Z_OK && result != Z_BUF_ERROR) {
      return Corrupt(stream_.msg != nullptr ? stream_.msg : "not gzip data");
    }
    return room - stream_.avail_out;
  }
  bool BetweenStreams() const override { return finished_; }

  z_stream stream_{};
  bool initialised_ = false;
  bool finished_ = true;
};

class XzDecoder final : public Decoder {
 public:
  using Decoder::Decoder;
  ~XzDecoder() override { lzma_end(&stream_); }

 private:
  absl::StatusOr<size_t> Decode(std::span<std::byte>& input, std::span<std::byte> out) override {
    if (!initialised_) {
      if (lzma_stream_decoder(&stream_, kMaxWindowBytes, LZMA_CONCATENATED) != LZMA_OK) {
        return absl::ResourceExhaustedError("liblzma could not be set up");
      }
      initialised_ = true;
    }
    stream_.next_in = reinterpret_cast<const uint8_t*>(input.data());
    stream_.avail_in = input.size();
    stream_.next_out = reinterpret_cast<uint8_t*>(out.data());
    stream_.avail_out = out.size();
    // Only LZMA_FINISH lets a file of several streams end.
    const lzma_ret result = lzma_code(&stream_, at_end() ? LZMA_FINISH : LZMA_RUN);
    input = input.last(stream_.avail_in);
    if (result == LZMA_STREAM_END) {
      finished_ = true;
    } else if (result == LZMA_MEMLIMIT_ERROR) {
      return Corrupt("it needs more than 256 MiB of memory");
    } else if (result == LZMA_MEM_ERROR) {
      return absl::ResourceExhaustedError("no memory to decompress xz data");
    } else if (result != LZMA_OK && result != LZMA_BUF_ERROR) {
      return Corrupt(result == LZMA_FORMAT_ERROR ? "not xz data" : "the xz data is corrupt");
    }
    return out.size() - stream_.avail_out;
  }
  bool BetweenStreams() const override { return finished_; }

  lzma_stream stream_ = LZMA_STREAM_INIT;
  bool initialised_ = false;
  bool finished_ = false;
};

class ZstdDecoder final : public Decoder {
 public:
  ZstdDecoder(std::unique_ptr<ByteSource> input, std::string file)
      : Decoder(std::move(input), std::move(file)), context_(ZSTD_createDCtx()) {
    if (context_ != nullptr) ZSTD_DCtx_setParameter(context_, ZSTD_d_windowLogMax, kMaxWindowLog);
  }
  ~ZstdDecoder() override { ZSTD_freeDCtx(context_); }

 private:
  absl::StatusOr<size_t> Decode(std::span<std::byte>& input, std::span<std::byte> out) override {
    if (context_ == nullptr) return absl::ResourceExhaustedError("zstd could not be set up");
    ZSTD_inBuffer in{input.data(), input.size(), 0};
    ZSTD_outBuffer decoded{out.data(), out.size(), 0};
    const size_t result = ZSTD_decompressStream(context_, &decoded, &in);
    if (ZSTD_isError(result)) return Corrupt(ZSTD_getErrorName(result));
    input = input.subspan(in.pos);
    // 0 says that a frame is done and everything of it was flushed.
    finished_ = result == 0;
    return decoded.pos;
  }
  bool BetweenStreams() const override { return finished_; }

  ZSTD_DCtx* context_;
  bool finished_ = false;
};

}  // namespace

std::unique_ptr<ByteSource> Decompress(std::unique_ptr<ByteSource> input, Compression compression, std::string file) {
  switch (compression) {
    case Compression::kNone:
      return input;
    case Compression::kGzip:
      return std::make_unique<GzipDecoder>(std::move(input), std::move(file));
    case Compression::kXz:
      return std::make_unique<XzDecoder>(std::move(input), std::move(file));
    case Compression::kZstd:
      return std::make_unique<ZstdDecoder>(std::move(input), std::move(file));
  }
  return nullptr;
}

}  // namespace besa::text
