// This program starts itself: with an argument of its own it is a child that does as it is told.
#include "worker/ranks/child_process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <string>

namespace besa::worker {
namespace {

std::unique_ptr<ChildProcess> Start(const std::string& what, int inherited = -1) {
  return ChildProcess::Start({"child", "--child=" + what}, inherited).value();
}

TEST(ChildProcess, TellsHowItEnded) {
  const auto child = Start("exit");
  EXPECT_TRUE(child->Wait(absl::Seconds(30)));
  EXPECT_EQ(child->End(absl::ZeroDuration()), "exited with code 7");
}

TEST(ChildProcess, IsKilledWhateverItDoes) {
  const auto child = Start("wait");
  EXPECT_FALSE(child->Wait(absl::Milliseconds(50)));
  kill(child->pid(), SIGSTOP);
  EXPECT_EQ(child->End(absl::ZeroDuration()), "was killed");
  EXPECT_NE(kill(child->pid(), 0), 0);
}

TEST(ChildProcess, KilledBySomebodyElse) {
  const auto child = Start("wait");
  kill(child->pid(), SIGKILL);
  EXPECT_EQ(child->End(absl::Seconds(30)), "was killed by signal 9");
}

TEST(ChildProcess, EndsWithItsObject) {
  pid_t pid = 0;
  {
    const auto child = Start("wait");
    pid = child->pid();
  }
  EXPECT_NE(kill(pid, 0), 0);
}

TEST(ChildProcess, InheritsOneFile) {
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  const auto child = Start("speak", ends[1]);
  close(ends[1]);
  char text[8] = {};
  EXPECT_EQ(recv(ends[0], text, 5, MSG_WAITALL), 5);
  EXPECT_STREQ(text, "hello");
  // Nobody else has the other end: it is closed with the child.
  EXPECT_EQ(recv(ends[0], text, 1, 0), 0);
  close(ends[0]);
}

}  // namespace

int RunChild(const std::string& what) {
  if (what == "exit") return 7;
  if (what == "speak") return send(ChildProcess::kInherited, "hello", 5, 0) == 5 ? 0 : 1;
  while (true) pause();
}

}  // namespace besa::worker

int main(int argc, char** argv) {
  const std::string flag = "--child=";
  if (argc > 1 && std::string(argv[1]).starts_with(flag)) return besa::worker::RunChild(argv[1] + flag.size());
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
