#include "worker/pruner/pruning_method.h"

namespace besa::pruner {

std::unique_ptr<PruningMethod> MakeMethod(const BesaOptions& options, const BlockShape& shape,
                                          const at::TensorOptions& tensor_options) {
  switch (options.method) {
    case Method::kBesa:
      return MakeBesa(options, shape, tensor_options);
    case Method::kMagnitude:
      return MakeMagnitude(options, shape);
    case Method::kWanda:
      return MakeWanda(options, shape, tensor_options);
    case Method::kSparseGpt:
      return MakeSparseGpt(options, shape, tensor_options);
  }
  return nullptr;
}

}  // namespace besa::pruner
