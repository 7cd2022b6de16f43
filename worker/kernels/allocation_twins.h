// The two implementations behind allocation_kernels.h. Arguments have been checked there.
#pragma once

#include "worker/kernels/allocation_kernels.h"

namespace besa::kernels::cpu {

void AllocationForward(const Device& device, const AllocationProblem& problem, const double* beta, double* rate,
                       int32_t* pruned, double* sparsity);
void AllocationBackward(const Device& device, const AllocationProblem& problem, const double* beta,
                        const double* sparsity, const ConstMatrix& histogram, double* gradient);
void AllFinite(const Device& device, ElementType type, const void* x, const int64_t* begin, int parts, bool* finite,
               bool* all);
// scratch: ProdigyScratch(count) doubles.
void ProdigyStep(const Device& device, const ProdigyOptions& options, int64_t count, double* parameters,
                 const double* gradient, const bool* apply, const ProdigyState& state, double* scratch);
int64_t ProdigyScratch(int64_t count);

}  // namespace besa::kernels::cpu

namespace besa::kernels::cuda {

// Bytes of scratch memory: for AllocationForward and AllocationBackward, and for ProdigyStep.
int64_t AllocationScratch(const AllocationProblem& problem);
int64_t ProdigyScratch();
absl::Status AllocationForward(const Device& device, const AllocationProblem& problem, const double* beta, double* rate,
                               int32_t* pruned, double* sparsity, void* scratch);
absl::Status AllocationBackward(const Device& device, const AllocationProblem& problem, const double* beta,
                                const double* rate, const double* sparsity, const ConstMatrix& histogram,
                                double* gradient, void* scratch);
absl::Status AllFinite(const Device& device, ElementType type, const void* x, const int64_t* begin, int parts,
                       bool* finite, bool* all);
absl::Status ProdigyStep(const Device& device, const ProdigyOptions& options, int64_t count, double* parameters,
                         double* gradient, const bool* apply, const ProdigyState& state, void* scratch);

}  // namespace besa::kernels::cuda
