#include "worker/kernels/allocation_kernels.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "storage/base/status_macros.h"
#include "worker/kernels/allocation_twins.h"
#include "worker/kernels/checks.h"
#include "worker/kernels/kernels.h"

namespace besa::kernels {
namespace {

using internal::CheckMatrix;
using internal::CheckMatrixIs;
using internal::CheckPointer;

constexpr int kMaxParts = 8;

absl::Status CheckProblem(const AllocationProblem& problem) {
  if (problem.groups < 1 || problem.rows < problem.groups) {
    return absl::InvalidArgumentError(absl::StrCat("problem has ", problem.groups, " groups of ", problem.rows,
                                                   " rows; expected at least one group and one row in each"));
  }
  if (!(problem.sparsity > 0.0 && problem.sparsity < 1.0)) {
    return absl::InvalidArgumentError(
        absl::StrCat("problem.sparsity is ", problem.sparsity, "; expected above 0 and below 1"));
  }
  RETURN_IF_ERROR(CheckPointer(problem.first_row, "problem.first_row"));
  RETURN_IF_ERROR(CheckPointer(problem.cols, "problem.cols"));
  return CheckPointer(problem.share, "problem.share");
}

}  // namespace

int64_t AllocationScratchBytes(const AllocationProblem& problem) {
  return std::max({int64_t{16}, cpu::ProdigyScratch(problem.groups * kCandidates) * int64_t{sizeof(double)},
                   cuda::ProdigyScratch(), cuda::AllocationScratch(problem)});
}

absl::Status AllocationForward(const Device& device, const AllocationProblem& problem, const double* beta, double* rate,
                               int32_t* pruned, double* sparsity, void* scratch) {
  RETURN_IF_ERROR(CheckProblem(problem));
  RETURN_IF_ERROR(CheckPointer(beta, "beta"));
  RETURN_IF_ERROR(CheckPointer(rate, "rate"));
  RETURN_IF_ERROR(CheckPointer(pruned, "pruned"));
  RETURN_IF_ERROR(CheckPointer(sparsity, "sparsity"));
  RETURN_IF_ERROR(CheckPointer(scratch, "scratch"));
  if (device.is_cuda) return cuda::AllocationForward(device, problem, beta, rate, pruned, sparsity, scratch);
  cpu::AllocationForward(device, problem, beta, rate, pruned, sparsity);
  return absl::OkStatus();
}

absl::Status AllocationBackward(const Device& device, const AllocationProblem& problem, const double* beta,
                                const double* rate, const double* sparsity, const ConstMatrix& histogram,
                                double* gradient, void* scratch) {
  RETURN_IF_ERROR(CheckProblem(problem));
  RETURN_IF_ERROR(CheckPointer(beta, "beta"));
  RETURN_IF_ERROR(CheckPointer(rate, "rate"));
  RETURN_IF_ERROR(CheckPointer(sparsity, "sparsity"));
  RETURN_IF_ERROR(CheckMatrix(device, histogram, "histogram"));
  RETURN_IF_ERROR(
      CheckMatrixIs(device, histogram, AccumulatorType(histogram.type), problem.rows, kCandidates, "histogram"));
  RETURN_IF_ERROR(CheckPointer(gradient, "gradient"));
  RETURN_IF_ERROR(CheckPointer(scratch, "scratch"));
  if (device.is_cuda)
    return cuda::AllocationBackward(device, problem, beta, rate, sparsity, histogram, gradient, scratch);
  cpu::AllocationBackward(device, problem, beta, sparsity, histogram, gradient);
  return absl::OkStatus();
}

absl::Status AllFinite(const Device& device, ElementType type, const void* x, const int64_t* begin, int parts,
                       bool* finite, bool* all) {
  if (parts < 1 || parts > kMaxParts) {
    return absl::InvalidArgumentError(absl::StrCat("parts is ", parts, "; expected 1 to ", kMaxParts));
  }
  RETURN_IF_ERROR(CheckPointer(x, "x"));
  RETURN_IF_ERROR(CheckPointer(begin, "begin"));
  RETURN_IF_ERROR(CheckPointer(finite, "finite"));
  RETURN_IF_ERROR(CheckPointer(all, "all"));
  if (!std::is_sorted(begin, begin + parts + 1)) return absl::InvalidArgumentError("begin falls; expected it to rise");
  if (device.is_cuda) return cuda::AllFinite(device, type, x, begin, parts, finite, all);
  cpu::AllFinite(device, type, x, begin, parts, finite, all);
  return absl::OkStatus();
}

absl::Status ProdigyStep(const Device& device, const ProdigyOptions& options, int64_t count, double* parameters,
                         double* gradient, const bool* apply, const ProdigyState& state, void* scratch) {
  if (count < 1) return absl::InvalidArgumentError(absl::StrCat("count is ", count, "; expected at least 1"));
  RETURN_IF_ERROR(CheckPointer(parameters, "parameters"));
  RETURN_IF_ERROR(CheckPointer(gradient, "gradient"));
  RETURN_IF_ERROR(CheckPointer(apply, "apply"));
  RETURN_IF_ERROR(CheckPointer(state.first_moment, "state.first_moment"));
  RETURN_IF_ERROR(CheckPointer(state.second_moment, "state.second_moment"));
  RETURN_IF_ERROR(CheckPointer(state.gradient_sum, "state.gradient_sum"));
  RETURN_IF_ERROR(CheckPointer(state.d, "state.d"));
  RETURN_IF_ERROR(CheckPointer(state.numerator, "state.numerator"));
  RETURN_IF_ERROR(CheckPointer(scratch, "scratch"));
  if (device.is_cuda) return cuda::ProdigyStep(device, options, count, parameters, gradient, apply, state, scratch);
  cpu::ProdigyStep(device, options, count, parameters, gradient, apply, state, static_cast<double*>(scratch));
  return absl::OkStatus();
}

}  // namespace besa::kernels
