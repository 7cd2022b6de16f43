// What Arrow's file system does not offer for local files. Every error names a URI.
#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/object/uri.h"

namespace besa::storage {

// Copies the bytes of a file inside the kernel, sharing blocks where the file system can. `to` must not exist.
absl::Status CopyLocalFile(const Uri& from, const Uri& to);

// Gives a file, or what a link leads to, a second name in its file system. `to` must not exist. UNIMPLEMENTED where the
// two lie in different file systems, or the file system, the system's rules or the number of names forbid it.
absl::Status LinkLocalFile(const Uri& from, const Uri& to);

// Waits until a file, or the names in a folder, survive a loss of power.
absl::Status SyncLocalPath(const Uri& path);

// Renames within a file system, replacing what is at `to`.
absl::Status RenameLocalFile(const Uri& from, const Uri& to);

// Whether files can be made in the folder, or in the nearest one above it that exists.
absl::Status CheckLocalFolderWritable(const Uri& folder);

// Whether a path is a symbolic link itself. False also for what is not there.
bool IsLocalLink(const Uri& path);

// The address with every symbolic link followed, as far as the path exists; the rest is kept as it is. Parts that do
// not exist may be created later: what they lead to is checked when they are used. FAILED_PRECONDITION for a link whose
// target does not exist, since anything may appear there.
absl::StatusOr<Uri> FollowLocalLinks(const Uri& path);

}  // namespace besa::storage
