// Where an object lies: "file:///models/llama/config.json" or "s3://bucket/llama/config.json".
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace besa::storage {

// A normalised, absolute object address. Immutable value type.
class Uri {
 public:
  // Accepts an absolute path ("/models/llama"), "file:///models/llama" and "s3://bucket/key". Doubled and trailing
  // slashes go away; "." and ".." segments, empty paths, relative paths, control characters, text that is not UTF-8 and
  // other schemes are INVALID_ARGUMENT. Nothing is percent-decoded. `field` names the input in the error.
  static absl::StatusOr<Uri> Parse(absl::string_view text, absl::string_view field = "uri");

  // "file" or "s3".
  const std::string& scheme() const { return scheme_; }
  // For "file" the absolute path, for "s3" "bucket/key": what Arrow's file systems take.
  const std::string& path() const { return path_; }
  // The last segment.
  std::string name() const;

  // `relative` appended; it must be a plain relative path ("a/b.txt") of segments we made ourselves (checked: aborts).
  Uri Join(absl::string_view relative) const;

  // The same for a path that others made: anything but a plain relative path is INVALID_ARGUMENT naming `field`.
  absl::StatusOr<Uri> JoinUntrusted(absl::string_view relative, absl::string_view field) const;

  // Whether this is `folder` itself or lies under it, by whole segments.
  bool IsWithin(const Uri& folder) const;

  // Canonical text; Parse(ToString()) gives an equal value.
  std::string ToString() const;

  bool operator==(const Uri&) const = default;

 private:
  Uri(std::string scheme, std::string path);

  std::string scheme_;
  std::string path_;
};

}  // namespace besa::storage
