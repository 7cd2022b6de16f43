#include "worker/ranks/message_socket.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <memory>
#include <string>
#include <thread>

#include "besa/v1/rank.pb.h"

namespace besa::worker {
namespace {

class MessageSocketTest : public testing::Test {
 protected:
  MessageSocketTest() {
    const auto ends = MessageSocket::Pair().value();
    here_ = std::make_unique<MessageSocket>(ends.first);
    there_ = std::make_unique<MessageSocket>(ends.second);
  }

  static v1::RankReport Log(const std::string& text) {
    v1::RankReport report;
    report.mutable_log()->set_text(text);
    return report;
  }

  std::unique_ptr<MessageSocket> here_;
  std::unique_ptr<MessageSocket> there_;
};

TEST_F(MessageSocketTest, MessagesArriveWholeAndInOrder) {
  // Far more than a socket holds at once.
  const std::string large(3 << 20, 'x');
  std::thread sender([&] {
    EXPECT_TRUE(here_->Send(Log("first")).ok());
    EXPECT_TRUE(here_->Send(v1::RankReport()).ok());
    EXPECT_TRUE(here_->Send(Log(large)).ok());
  });
  for (const std::string& text : {std::string("first"), std::string(), large}) {
    v1::RankReport report;
    while (!there_->Receive(absl::Seconds(1), report).value()) {
    }
    EXPECT_EQ(report.log().text(), text);
  }
  sender.join();
}

TEST_F(MessageSocketTest, NothingYetIsNoError) {
  v1::RankReport report;
  EXPECT_FALSE(there_->Receive(absl::ZeroDuration(), report).value());
}

TEST_F(MessageSocketTest, WhatWasSentBeforeTheEndStillArrives) {
  EXPECT_TRUE(here_->Send(Log("last")).ok());
  here_.reset();
  v1::RankReport report;
  EXPECT_TRUE(there_->Receive(absl::ZeroDuration(), report).value());
  EXPECT_EQ(report.log().text(), "last");
  EXPECT_EQ(there_->Receive(absl::ZeroDuration(), report).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(there_->Send(Log("to nobody")).code(), absl::StatusCode::kUnavailable);
}

TEST_F(MessageSocketTest, BytesThatAreNoMessageAreRefused) {
  // A length of 2, then a field that is cut off.
  ASSERT_EQ(send(here_->file_descriptor(), "\x02\0\0\0\x22\x05", 6, 0), 6);
  v1::RankReport report;
  EXPECT_EQ(there_->Receive(absl::ZeroDuration(), report).status().code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace besa::worker
