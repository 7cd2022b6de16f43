// One block sorts one row: a stable radix sort of the columns, four passes of eight bits from the lowest, the keys (or,
// where they do not fit, the weights) staying where they are. Only `order` moves, within shared memory.
#include "worker/kernels/cuda_common.cuh"
#include "worker/kernels/twins.h"

namespace besa::kernels::cuda {
namespace {

constexpr int kDigits = 256;

// Importances are not negative, so they are ordered as their bits are; all NaN become one that is behind infinity.
__device__ __forceinline__ uint32_t KeyOf(float weight, float sum, float samples) {
  const float importance = __fmul_rn(fabsf(weight), __fsqrt_rn(__fdiv_rn(sum, samples)));
  return importance != importance ? 0x7fffffffu : __float_as_uint(importance);
}

// counters[warp][digit] holds how often each warp has the digit and becomes the position of its first one.
// starts: [kDigits] of scratch. All threads of the block take part.
template <int kWarps>
__device__ void CountsToPositions(uint16_t (*counters)[kDigits], uint32_t* starts) {
  for (int digit = threadIdx.x; digit < kDigits; digit += kWarps * 32) {
    uint32_t total = 0;
    for (int warp = 0; warp < kWarps; ++warp) {
      const uint32_t count = counters[warp][digit];
      counters[warp][digit] = static_cast<uint16_t>(total);
      total += count;
    }
    starts[digit] = total;
  }
  __syncthreads();
  if (threadIdx.x < 32) {
    constexpr int kEach = kDigits / 32;
    uint32_t values[kEach];
    uint32_t sum = 0;
#pragma unroll
    for (int i = 0; i < kEach; ++i) {
      values[i] = sum;
      sum += starts[threadIdx.x * kEach + i];
    }
    uint32_t before = sum;
#pragma unroll
    for (int distance = 1; distance < 32; distance *= 2) {
      const uint32_t other = __shfl_up_sync(kFullWarp, before, distance);
      if (threadIdx.x >= distance) before += other;
    }
#pragma unroll
    for (int i = 0; i < kEach; ++i) starts[threadIdx.x * kEach + i] = before - sum + values[i];
  }
  __syncthreads();
}

constexpr size_t RoundUp(size_t bytes) { return (bytes + 15) / 16 * 16; }

template <int kWarps>
constexpr size_t SharedMemory(int64_t cols, bool keys_in_shared) {
  return kWarps * kDigits * sizeof(uint16_t) + kDigits * sizeof(uint32_t) + RoundUp(cols * sizeof(uint16_t)) +
         (keys_in_shared ? cols * sizeof(uint32_t) : 0);
}

// Warp w holds positions [w * chunk, (w + 1) * chunk), 32 at a time, at most kItems times: chunk <= 32 * kItems.
template <typename T, int kWarps, int kItems, bool kKeysInShared>
__global__ void __launch_bounds__(kWarps * 32)
    SortRow(const T* __restrict__ weight, const float* __restrict__ sums, float samples, int cols, int chunk,
            uint16_t* __restrict__ order_out, uint16_t* __restrict__ rank_out) {
  extern __shared__ __align__(16) unsigned char shared[];
  auto* counters = reinterpret_cast<uint16_t (*)[kDigits]>(shared);
  auto* starts = reinterpret_cast<uint32_t*>(counters + kWarps);
  auto* order = reinterpret_cast<uint16_t*>(starts + kDigits);
  auto* keys = reinterpret_cast<uint32_t*>(reinterpret_cast<unsigned char*>(order) + RoundUp(cols * sizeof(uint16_t)));

  const int warp = threadIdx.x / 32;
  const int lane = threadIdx.x % 32;
  const int64_t row = int64_t{blockIdx.x} * cols;
  weight += row;

  for (int c = threadIdx.x; c < cols; c += kWarps * 32) {
    order[c] = static_cast<uint16_t>(c);
    if (kKeysInShared) keys[c] = KeyOf(Load(weight[c]), sums[c], samples);
  }
  __syncthreads();
  const auto digit_of = [&](uint32_t column, int shift) {
    const uint32_t key = kKeysInShared ? keys[column] : KeyOf(Load(weight[column]), sums[column], samples);
    return key >> shift & (kDigits - 1);
  };

  for (int shift = 0; shift < 32; shift += 8) {
    for (int digit = lane; digit < kDigits; digit += 32) counters[warp][digit] = 0;
    __syncwarp();
    // Column in the upper half; below it, how many of the same digit stand before it in this warp.
    uint32_t held[kItems];
#pragma unroll
    for (int i = 0; i < kItems; ++i) {
      if (i * 32 >= chunk) break;
      const int position = warp * chunk + i * 32 + lane;
      const bool valid = position < cols;
      const uint32_t column = valid ? order[position] : 0;
      const uint32_t digit = valid ? digit_of(column, shift) : kDigits;
      const unsigned peers = __match_any_sync(kFullWarp, digit);
      const uint32_t before = __popc(peers & ((1u << lane) - 1));
      const uint32_t counted = valid ? counters[warp][digit] : 0;
      __syncwarp();
      if (valid && before == 0) counters[warp][digit] = static_cast<uint16_t>(counted + __popc(peers));
      __syncwarp();
      held[i] = column << 16 | (counted + before);
    }
    __syncthreads();
    CountsToPositions<kWarps>(counters, starts);
#pragma unroll
    for (int i = 0; i < kItems; ++i) {
      if (i * 32 >= chunk) break;
      if (warp * chunk + i * 32 + lane >= cols) break;
      const uint32_t column = held[i] >> 16;
      const uint32_t digit = digit_of(column, shift);
      order[starts[digit] + counters[warp][digit] + (held[i] & 0xffffu)] = static_cast<uint16_t>(column);
    }
    __syncthreads();
  }

  for (int j = threadIdx.x; j < cols; j += kWarps * 32) {
    order_out[row + j] = order[j];
    if (rank_out != nullptr) rank_out[row + order[j]] = static_cast<uint16_t>(j);
  }
}

template <typename T, int kWarps, int kItems>
absl::Status Run(const Device& device, const ConstMatrix& weight, const void* sums, int64_t samples, uint16_t* order,
                 uint16_t* rank) {
  const int cols = static_cast<int>(weight.cols);
  const int per_warp = (cols + kWarps - 1) / kWarps;
  const int chunk = (per_warp + 31) / 32 * 32;
  const size_t with_keys = SharedMemory<kWarps>(cols, true);
  const auto launch = [&](auto kernel, size_t shared) {
    return Launch("SortRow", kernel, device, weight.rows, kWarps * 32, shared, static_cast<const T*>(weight.data),
                  static_cast<const float*>(sums), static_cast<float>(samples), cols, chunk, order, rank);
  };
  if (with_keys <= MaxSharedMemory()) return launch(SortRow<T, kWarps, kItems, true>, with_keys);
  return launch(SortRow<T, kWarps, kItems, false>, SharedMemory<kWarps>(cols, false));
}

}  // namespace

absl::Status RankRows(const Device& device, const ConstMatrix& weight, const void* sums, int64_t samples,
                      uint16_t* order, uint16_t* rank) {
  return VisitElement(weight.type, [&]<typename T>(T) {
    const auto run = [&](auto runner) { return runner(device, weight, sums, samples, order, rank); };
    // Few warps leave several rows to a multiprocessor; many are needed to hold a long row in registers.
    if (weight.cols <= 4 * 256) return run(Run<T, 4, 8>);
    if (weight.cols <= 8 * 1024) return run(Run<T, 8, 32>);
    if (weight.cols <= 32 * 512) return run(Run<T, 32, 16>);
    if (weight.cols <= 32 * 1024) return run(Run<T, 32, 32>);
    return run(Run<T, 32, 64>);
  });
}

}  // namespace besa::kernels::cuda
