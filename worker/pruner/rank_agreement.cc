#include "worker/pruner/rank_agreement.h"

#include <ATen/ops/from_blob.h>

#include <span>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "storage/base/sha256.h"

namespace besa::pruner {
namespace {

template <typename T>
void Add(const T* data, size_t count, Sha256& hash) {
  hash.Update(std::as_bytes(std::span(data, count)));
}

// A number for each row that any change of its bits changes, but for those that cancel out: their sum as integers,
// which the device makes in one pass without a copy.
at::Tensor RowSums(const at::Tensor& weight) {
  const at::ScalarType bits = weight.element_size() == 2   ? at::kShort
                              : weight.element_size() == 4 ? at::kInt
                                                           : at::kLong;
  return weight.view(bits).sum(at::IntArrayRef{1}, /*keepdim=*/false, at::kLong).cpu();
}

}  // namespace

absl::Status CheckAgreement(int64_t block, const std::vector<LinearAllocation>& linears, const BlockWeights& pruned,
                            RankGroup& ranks) {
  if (ranks.size() == 1) return absl::OkStatus();
  Sha256 hash;
  for (const LinearAllocation& linear : linears) Add(linear.pruned.data(), linear.pruned.size(), hash);
  for (Linear linear : kAllLinears) {
    const at::Tensor sums = RowSums(pruned.linear(linear));
    Add(sums.data_ptr<int64_t>(), static_cast<size_t>(sums.numel()), hash);
  }
  std::string digest = hash.Finish();
  // 64 digits.
  const at::Tensor own = at::from_blob(digest.data(), {static_cast<int64_t>(digest.size() / 8)}, at::kLong);
  const at::Tensor all = ranks.AllGather(own.to(pruned.groups[kQkv].device())).cpu();
  std::vector<std::string> differing;
  for (int rank = 0; rank < ranks.size(); ++rank) {
    if (!all.select(0, rank).equal(all.select(0, 0))) differing.push_back(absl::StrCat(rank));
  }
  if (differing.empty()) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("block ", block, ": the masks of rank ", absl::StrJoin(differing, " and "),
                                          " are not those of rank 0"));
}

}  // namespace besa::pruner
