// An object store that counts and times what is done with another one.
#pragma once

#include <memory>

#include "prometheus/registry.h"
#include "storage/base/clock.h"
#include "storage/object/object_store.h"

namespace besa {

// Families, registered once and shared by all stores of a process:
//   besa_store_operation_seconds{store, operation}   histogram; "write" from opening to the end of a file
//   besa_store_operations_total{store, operation, code}
//   besa_store_bytes_total{store, direction}         "read", "written"; copies inside a store move none through here
// `store` is the scheme of the address: "file" or "s3".
class StoreMetrics;
std::shared_ptr<StoreMetrics> MakeStoreMetrics(prometheus::Registry& registry, const Clock& clock);

// Thread-safe. The metrics must come from a registry that lives on.
std::unique_ptr<storage::ObjectStore> MeterStore(std::unique_ptr<storage::ObjectStore> store,
                                                 std::shared_ptr<StoreMetrics> metrics);

}  // namespace besa
