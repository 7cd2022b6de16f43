// Page tokens: where a list goes on, tied to the request that began it (AIP-158).
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace besa::server {

// `scope` is what must not change from page to page: the list and its filter.
std::string MakePageToken(absl::string_view scope, absl::string_view position);
// The position; empty for an empty token. INVALID_ARGUMENT if the token is not of this scope.
absl::StatusOr<std::string> ParsePageToken(absl::string_view scope, absl::string_view token);

// The page size to use: `by_default` for 0, at most `most`. INVALID_ARGUMENT below 0.
absl::StatusOr<int32_t> CheckPageSize(int32_t asked, int32_t by_default, int32_t most);

}  // namespace besa::server
