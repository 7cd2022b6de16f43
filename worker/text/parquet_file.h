// Documents of parquet files, by Arrow's parquet reader.
#pragma once

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "storage/object/object_store.h"
#include "worker/text/byte_source.h"
#include "worker/text/document_tokenizer.h"

namespace besa::text {

// Feeds `out` with each value of the column "text", row group after row group, as one document. Memory is bounded by a
// page of the file and a few MiB, not by a row group.
// INVALID_ARGUMENT names file, column and, where there is one, row (counted from 0, as pandas does): not a parquet
// file, no such column, a column of another type or of lists, a value that is null, not UTF-8 or larger than 64 MiB,
// more than 8 GiB of text. `progress` as OpenObject's; bytes of the columns that are not read never count.
absl::Status ReadParquet(storage::ObjectStore& store, const storage::ObjectInfo& object, ReadProgress progress,
                         std::optional<int32_t> separator, DocumentTokenizer& out);

}  // namespace besa::text
