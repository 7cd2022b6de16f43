// Messages between processes of one machine: each behind its length in four bytes, little endian.
#pragma once

#include <mutex>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "google/protobuf/message_lite.h"

namespace besa::worker {

// One end of a connected stream socket, which it owns. Send may be called from any thread, Receive from one.
class MessageSocket {
 public:
  explicit MessageSocket(int file_descriptor) : file_descriptor_(file_descriptor) {}
  ~MessageSocket();
  MessageSocket(const MessageSocket&) = delete;
  MessageSocket& operator=(const MessageSocket&) = delete;

  // Two connected ends, as file descriptors that programs started from here do not inherit. RESOURCE_EXHAUSTED if there
  // are no more to be had.
  static absl::StatusOr<std::pair<int, int>> Pair();

  int file_descriptor() const { return file_descriptor_; }

  // Waits until the other end has room. UNAVAILABLE if there is nobody any more.
  absl::Status Send(const google::protobuf::MessageLite& message);

  // Waits at most `wait` for the next message. False: there is none yet. UNAVAILABLE if there is nobody any more and
  // everything that was sent has been received; DATA_LOSS for what is no message of this kind.
  absl::StatusOr<bool> Receive(absl::Duration wait, google::protobuf::MessageLite& message);

 private:
  // Takes a message from the front of what was received, if a whole one is there.
  absl::StatusOr<bool> Take(google::protobuf::MessageLite& message);
  // What has arrived. False: there was nothing.
  absl::StatusOr<bool> Read();

  const int file_descriptor_;
  std::mutex sending_;
  std::string received_;
};

}  // namespace besa::worker
