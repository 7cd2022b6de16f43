#include "worker/kernels/block_twins.h"
#include "worker/kernels/cuda_common.cuh"
#include "worker/kernels/cuda_rows.cuh"

namespace besa::kernels::cuda {
namespace {

struct Angles {
  Angles(const RotaryTable& table, Rotation rotation)
      : cosines(static_cast<const float*>(table.cos)),
        sines(static_cast<const float*>(table.sin)),
        half(static_cast<int>(table.head_dim / 2)),
        length(static_cast<int>(table.length)),
        sign(rotation == Rotation::kForward ? 1.0f : -1.0f) {}

  // kWidth pairs (i, i + half) of a head, from i = `pair` on, of a token at `position`.
  template <typename T, int kWidth>
  __device__ __forceinline__ void Turn(int64_t position, int pair, Vector<T, kWidth>& first,
                                       Vector<T, kWidth>& second) const {
    const int64_t at = position * half + pair;
#pragma unroll
    for (int j = 0; j < kWidth; ++j) {
      const float cosine = cosines[at + j];
      const float sine = sign * sines[at + j];
      const float a = Load(first.item[j]);
      const float b = Load(second.item[j]);
      first.item[j] = Round<T>(a * cosine - b * sine);
      second.item[j] = Round<T>(b * cosine + a * sine);
    }
  }

  const float* __restrict__ cosines;
  const float* __restrict__ sines;
  int half;
  int length;
  float sign;
};

// One block rotates one token: a thread takes kWidth pairs of a head at a time.
template <typename T, int kWidth>
__global__ void RotateToken(T* __restrict__ x, int64_t stride, int heads, Angles angles) {
  T* token = x + int64_t{blockIdx.x} * stride;
  const int64_t position = static_cast<int>(blockIdx.x) % angles.length;
  const int per_head = angles.half / kWidth;
  for (int i = static_cast<int>(threadIdx.x); i < heads * per_head; i += static_cast<int>(blockDim.x)) {
    const int pair = i % per_head * kWidth;
    T* at = token + int64_t{i / per_head} * 2 * angles.half + pair;
    auto first = LoadVector<T, kWidth>(at);
    auto second = LoadVector<T, kWidth>(at + angles.half);
    angles.Turn(position, pair, first, second);
    StoreVector(at, first);
    StoreVector(at + angles.half, second);
  }
}

// The same with the token's heads coming from three places, and those of v as they are.
template <typename T, int kWidth>
__global__ void GatherToken(HeadsView q, HeadsView k, HeadsView v, Angles angles, T* __restrict__ out) {
  const int64_t sequence = static_cast<int>(blockIdx.x) / angles.length;
  const int64_t position = static_cast<int>(blockIdx.x) % angles.length;
  const int per_head = angles.half / kWidth;
  const int q_heads = static_cast<int>(q.heads);
  const int turned = q_heads + static_cast<int>(k.heads);
  const int heads = turned + static_cast<int>(v.heads);
  T* token = out + int64_t{blockIdx.x} * heads * 2 * angles.half;
  const auto place = [&](const HeadsView& view, int head) {
    return static_cast<const T*>(view.data) + sequence * view.sequence + head * view.head + position * view.token;
  };
  for (int i = static_cast<int>(threadIdx.x); i < heads * per_head; i += static_cast<int>(blockDim.x)) {
    const int head = i / per_head;
    const int pair = i % per_head * kWidth;
    const T* from = head < q_heads  ? place(q, head)
                    : head < turned ? place(k, head - q_heads)
                                    : place(v, head - turned);
    auto first = LoadVector<T, kWidth>(from + pair);
    auto second = LoadVector<T, kWidth>(from + pair + angles.half);
    if (head < turned) angles.Turn(position, pair, first, second);
    T* at = token + int64_t{head} * 2 * angles.half + pair;
    StoreVector(at, first);
    StoreVector(at + angles.half, second);
  }
}

// Whole warps for the vectors of a token, at most 256 threads.
int Threads(int64_t vectors) { return static_cast<int>(std::min<int64_t>(256, (vectors + 31) / 32 * 32)); }

// Whether vectors of `width` elements, 16 bytes, can be read everywhere.
bool IsWide(const HeadsView& view, int64_t width) {
  return view.heads == 0 ||
         (IsAligned(view.data, 16) && view.sequence % width == 0 && view.head % width == 0 && view.token % width == 0);
}

}  // namespace

absl::Status Rotate(const Device& device, const Matrix& x, int64_t heads, const RotaryTable& table, Rotation rotation) {
  const int64_t half = table.head_dim / 2;
  return VisitElement(x.type, [&]<typename T>(T) {
    const auto run = [&]<int kWidth>(std::integral_constant<int, kWidth>) {
      return Launch("RotateToken", RotateToken<T, kWidth>, device, x.rows, Threads(heads * half / kWidth), 0,
                    static_cast<T*>(x.data), x.cols, static_cast<int>(heads), Angles(table, rotation));
    };
    constexpr int kWidth = kPerVector<T>;
    const bool wide = half % kWidth == 0 && x.cols % kWidth == 0 && IsAligned(x.data, 16);
    return wide ? run(std::integral_constant<int, kWidth>()) : run(std::integral_constant<int, 1>());
  });
}

absl::Status GatherHeads(const Device& device, const HeadsView& q, const HeadsView& k, const HeadsView& v,
                         const RotaryTable& table, Rotation rotation, const Matrix& out) {
  return VisitElement(out.type, [&]<typename T>(T) {
    const auto run = [&]<int kWidth>(std::integral_constant<int, kWidth>) {
      return Launch("GatherToken", GatherToken<T, kWidth>, device, out.rows, Threads(out.cols / 2 / kWidth), 0, q, k, v,
                    Angles(table, rotation), static_cast<T*>(out.data));
    };
    constexpr int kWidth = kPerVector<T>;
    const bool wide = table.head_dim / 2 % kWidth == 0 && IsAligned(out.data, 16) && IsWide(q, kWidth) &&
                      IsWide(k, kWidth) && IsWide(v, kWidth);
    return wide ? run(std::integral_constant<int, kWidth>()) : run(std::integral_constant<int, 1>());
  });
}

}  // namespace besa::kernels::cuda
