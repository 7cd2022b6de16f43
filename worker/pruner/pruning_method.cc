#include "worker/pruner/pruning_method.h"

namespace besa::pruner {

std::unique_ptr<PruningMethod> MakeMethod(Method method, const BlockShape& shape,
                                          const at::TensorOptions& tensor_options) {
  switch (method) {
    case Method::kBesa:
      return MakeBesa(shape, tensor_options);
    case Method::kMagnitude:
      return MakeMagnitude(shape);
    case Method::kWanda:
      return MakeWanda(shape, tensor_options);
    case Method::kSparseGpt:
      return MakeSparseGpt(shape, tensor_options);
  }
  return nullptr;
}

}  // namespace besa::pruner
