#include "storage/safetensors/dtype.h"

#include <array>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "storage/base/error_info.h"
#include "storage/base/utf8.h"

namespace besa::storage {
namespace {

struct Row {
  DType dtype;
  absl::string_view name;
  int64_t size;
};

// In the order of the enumeration.
constexpr std::array<Row, 19> kTable = {{{DType::kBool, "BOOL", 1},
                                         {DType::kU8, "U8", 1},
                                         {DType::kI8, "I8", 1},
                                         {DType::kF8E4M3, "F8_E4M3", 1},
                                         {DType::kF8E5M2, "F8_E5M2", 1},
                                         {DType::kU16, "U16", 2},
                                         {DType::kI16, "I16", 2},
                                         {DType::kF16, "F16", 2},
                                         {DType::kBF16, "BF16", 2},
                                         {DType::kU32, "U32", 4},
                                         {DType::kI32, "I32", 4},
                                         {DType::kF32, "F32", 4},
                                         {DType::kU64, "U64", 8},
                                         {DType::kI64, "I64", 8},
                                         {DType::kF64, "F64", 8},
                                         {DType::kF8E8M0, "F8_E8M0", 1},
                                         {DType::kF8E4M3Fnuz, "F8_E4M3FNUZ", 1},
                                         {DType::kF8E5M2Fnuz, "F8_E5M2FNUZ", 1},
                                         {DType::kC64, "C64", 8}}};

const Row& Find(DType dtype) { return kTable.at(static_cast<size_t>(dtype)); }

}  // namespace

int64_t ElementSize(DType dtype) { return Find(dtype).size; }

absl::string_view ToString(DType dtype) { return Find(dtype).name; }

absl::StatusOr<DType> ParseDType(absl::string_view name) {
  for (const Row& row : kTable) {
    if (row.name == name) return row.dtype;
  }
  const auto names =
      absl::StrJoin(kTable, ", ", [](std::string* out, const Row& row) { absl::StrAppend(out, row.name); });
  return FieldError("dtype", Printable(name), absl::StrCat("one of ", names));
}

}  // namespace besa::storage
