#include "worker/ranks/message_socket.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "storage/base/status_macros.h"

namespace besa::worker {
namespace {

constexpr size_t kLengthBytes = 4;

absl::Status Gone() { return absl::UnavailableError("the other process is gone"); }

}  // namespace

MessageSocket::~MessageSocket() { close(file_descriptor_); }

absl::StatusOr<std::pair<int, int>> MessageSocket::Pair() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    return absl::ResourceExhaustedError(absl::StrCat("no socket to be had: ", std::strerror(errno)));
  }
  return std::pair(ends[0], ends[1]);
}

absl::Status MessageSocket::Send(const google::protobuf::MessageLite& message) {
  const std::string body = message.SerializeAsString();
  std::string bytes;
  for (size_t i = 0; i < kLengthBytes; ++i) bytes.push_back(static_cast<char>(body.size() >> (8 * i) & 0xff));
  bytes += body;
  const std::lock_guard lock(sending_);
  for (size_t sent = 0; sent < bytes.size();) {
    const ssize_t count = send(file_descriptor_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Gone();
    sent += static_cast<size_t>(count);
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> MessageSocket::Receive(absl::Duration wait, google::protobuf::MessageLite& message) {
  ASSIGN_OR_RETURN(bool taken, Take(message));
  if (taken) return true;
  pollfd poll_for = {.fd = file_descriptor_, .events = POLLIN, .revents = 0};
  poll(&poll_for, 1, static_cast<int>(absl::ToInt64Milliseconds(wait)));
  while (true) {
    ASSIGN_OR_RETURN(const bool more, Read());
    if (!more) return false;
    ASSIGN_OR_RETURN(taken, Take(message));
    if (taken) return true;
  }
}

absl::StatusOr<bool> MessageSocket::Take(google::protobuf::MessageLite& message) {
  if (received_.size() < kLengthBytes) return false;
  size_t length = 0;
  for (size_t i = 0; i < kLengthBytes; ++i) length |= size_t{static_cast<uint8_t>(received_[i])} << (8 * i);
  if (received_.size() < kLengthBytes + length) return false;
  const bool parsed = message.ParseFromArray(received_.data() + kLengthBytes, static_cast<int>(length));
  received_.erase(0, kLengthBytes + length);
  if (!parsed) return absl::DataLossError(absl::StrCat(length, " bytes are no ", std::string(message.GetTypeName())));
  return true;
}

absl::StatusOr<bool> MessageSocket::Read() {
  std::array<char, 65536> bytes;
  const ssize_t count = recv(file_descriptor_, bytes.data(), bytes.size(), MSG_DONTWAIT);
  if (count > 0) {
    received_.append(bytes.data(), static_cast<size_t>(count));
    return true;
  }
  if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return false;
  return Gone();
}

}  // namespace besa::worker
