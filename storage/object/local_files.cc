#include "storage/object/local_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "storage/base/status_macros.h"
#include "storage/object/store_error.h"

namespace besa::storage {
namespace {

// An open file, closed with its scope.
class File {
 public:
  File(const Uri& uri, int flags) : fd_(::open(uri.path().c_str(), flags | O_CLOEXEC, 0666)) {}
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  int fd() const { return fd_; }
  bool ok() const { return fd_ >= 0; }
  // Some file systems report a full disk only here.
  int Close() { return ::close(std::exchange(fd_, -1)); }

 private:
  int fd_;
};

// For file systems between which the kernel cannot copy.
absl::Status CopyThroughMemory(const File& source, const Uri& from, const File& target, const Uri& to) {
  std::vector<char> piece(1 << 20);
  for (;;) {
    const ssize_t got = ::read(source.fd(), piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrorFromErrno(errno, from);
    if (got == 0) return absl::OkStatus();
    for (ssize_t done = 0; done < got;) {
      const ssize_t put = ::write(target.fd(), piece.data() + done, static_cast<size_t>(got - done));
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return ErrorFromErrno(errno, to);
      done += put;
    }
  }
}

}  // namespace

absl::Status CopyLocalFile(const Uri& from, const Uri& to) {
  const File source(from, O_RDONLY);
  if (!source.ok()) return ErrorFromErrno(errno, from);
  struct stat info;
  if (::fstat(source.fd(), &info) != 0) return ErrorFromErrno(errno, from);
  if (!S_ISREG(info.st_mode)) return absl::NotFoundError(absl::StrCat(from.ToString(), ": not a file"));
  File target(to, O_WRONLY | O_CREAT | O_EXCL);
  if (!target.ok()) return ErrorFromErrno(errno, to);
  for (;;) {
    const ssize_t copied = ::copy_file_range(source.fd(), nullptr, target.fd(), nullptr, 1 << 30, 0);
    if (copied > 0 || (copied < 0 && errno == EINTR)) continue;
    if (copied == 0) break;
    if (errno != EXDEV && errno != ENOSYS && errno != EINVAL && errno != EOPNOTSUPP) return ErrorFromErrno(errno, to);
    RETURN_IF_ERROR(CopyThroughMemory(source, from, target, to));
    break;
  }
  return target.Close() == 0 ? absl::OkStatus() : ErrorFromErrno(errno, to);
}

absl::Status LinkLocalFile(const Uri& from, const Uri& to) {
  if (::linkat(AT_FDCWD, from.path().c_str(), AT_FDCWD, to.path().c_str(), AT_SYMLINK_FOLLOW) == 0) {
    return absl::OkStatus();
  }
  const int error = errno;
  // EPERM: file systems without hard links say so, and Linux where the file is another user's (protected_hardlinks).
  const bool cannot = error == EXDEV || error == EPERM || error == EMLINK || error == EOPNOTSUPP || error == ENOSYS;
  if (cannot) return absl::UnimplementedError(absl::StrCat(to.ToString(), ": no second name of ", from.ToString()));
  return ErrorFromErrno(error, error == ENOENT ? from : to);
}

absl::Status SyncLocalPath(const Uri& path) {
  const File file(path, O_RDONLY);
  if (!file.ok()) return ErrorFromErrno(errno, path);
  // Some file systems cannot sync a folder and say EINVAL; there is nothing better to do on those.
  return ::fsync(file.fd()) == 0 || errno == EINVAL ? absl::OkStatus() : ErrorFromErrno(errno, path);
}

absl::Status RenameLocalFile(const Uri& from, const Uri& to) {
  return std::rename(from.path().c_str(), to.path().c_str()) == 0 ? absl::OkStatus() : ErrorFromErrno(errno, to);
}

absl::Status CheckLocalFolderWritable(const Uri& folder) {
  std::string existing = folder.path();
  struct stat info;
  while (::stat(existing.c_str(), &info) != 0) {
    if (errno != ENOENT && errno != ENOTDIR) return ErrorFromErrno(errno, folder);
    existing.resize(existing.rfind('/'));
    if (existing.empty()) existing = "/";
  }
  if (!S_ISDIR(info.st_mode)) {
    return absl::FailedPreconditionError(absl::StrCat(folder.ToString(), ": ", existing, " is a file, not a folder"));
  }
  // By the rights the process acts with, as a write would.
  const int error = ::faccessat(AT_FDCWD, existing.c_str(), W_OK | X_OK, AT_EACCESS) == 0 ? 0 : errno;
  return error == 0 ? absl::OkStatus() : ErrorFromErrno(error, folder);
}

bool IsLocalLink(const Uri& path) {
  struct stat info;
  return ::lstat(path.path().c_str(), &info) == 0 && S_ISLNK(info.st_mode);
}

absl::StatusOr<Uri> FollowLocalLinks(const Uri& path) {
  std::string existing = path.path();
  std::string rest;
  struct stat info;
  while (::lstat(existing.c_str(), &info) != 0) {
    if (errno != ENOENT && errno != ENOTDIR) return ErrorFromErrno(errno, path);
    const size_t slash = existing.rfind('/');
    rest = absl::StrCat(existing.substr(slash), rest);
    existing.resize(slash);
    if (existing.empty()) existing = "/";
    if (existing == "/") break;
  }
  const std::unique_ptr<char, decltype(&std::free)> real(::realpath(existing.c_str(), nullptr), &std::free);
  if (!real && errno == ENOENT) {
    return absl::FailedPreconditionError(absl::StrCat(path.ToString(), ": a symbolic link leads to what is not there"));
  }
  if (!real) return ErrorFromErrno(errno, path);
  return Uri::Parse(absl::StrCat(real.get(), rest), "path");
}

}  // namespace besa::storage
