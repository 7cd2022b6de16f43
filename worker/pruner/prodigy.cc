#include "worker/pruner/prodigy.h"

#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include "worker/kernels/allocation_kernels.h"
#include "worker/pruner/tensor_view.h"

namespace besa::pruner {

Prodigy::Prodigy(const at::Tensor& parameters, double d_coef, const at::Tensor& scratch)
    : d_coef_(d_coef),
      parameters_(parameters),
      scratch_(scratch),
      first_moment_(at::zeros_like(parameters)),
      second_moment_(at::zeros_like(parameters)),
      gradient_sum_(at::zeros_like(parameters)),
      d_(at::full({}, kernels::ProdigyOptions().initial_d, parameters.options())),
      numerator_(at::zeros({}, parameters.options())) {}

void Prodigy::Restart() {
  for (const at::Tensor& state : {first_moment_, second_moment_, gradient_sum_, numerator_}) state.zero_();
  d_.fill_(kernels::ProdigyOptions().initial_d);
}

void Prodigy::Step(const at::Tensor& gradient, const at::Tensor& apply) {
  Check(kernels::ProdigyStep(DeviceOf(parameters_), {.d_coef = d_coef_}, parameters_.numel(),
                             parameters_.data_ptr<double>(), gradient.data_ptr<double>(), apply.data_ptr<bool>(),
                             {.first_moment = first_moment_.data_ptr<double>(),
                              .second_moment = second_moment_.data_ptr<double>(),
                              .gradient_sum = gradient_sum_.data_ptr<double>(),
                              .d = d_.data_ptr<double>(),
                              .numerator = numerator_.data_ptr<double>()},
                             scratch_.data_ptr()));
}

}  // namespace besa::pruner
