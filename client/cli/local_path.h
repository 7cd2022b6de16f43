// What people type as a place, made into what the coordinator understands.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace besa::client {

// A relative path becomes absolute, lexically, against `directory` (absolute). Absolute paths and anything with a
// scheme (s3://, file://) stay as they are, and so does an empty text.
std::string AbsoluteUri(absl::string_view text, absl::string_view directory);

// The other way round, for people: "file:///models/a" becomes "/models/a"; everything else stays.
std::string PlainUri(absl::string_view uri);

// "j1" becomes "jobs/j1"; "jobs/j1" stays.
std::string JobName(absl::string_view text);

// A host without a port gets the coordinator's default one, 7600.
std::string ServerTarget(absl::string_view text);

}  // namespace besa::client
