#include "server/program/flags.h"

#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace besa::server {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Parses the flags after those that are required.
Flags Parse(const std::vector<std::string>& more) {
  Flags flags;
  CLI::App app("test", "besa-coordinator");
  AddFlags(app, flags);
  std::vector<std::string> all = {"--state", "/s/state.sqlite", "--workspace", "/w", "--allow", "/a"};
  all.insert(all.end(), more.begin(), more.end());
  app.parse(std::vector<std::string>(all.rbegin(), all.rend()));
  return flags;
}

std::string Refusal(const std::vector<std::string>& more) {
  try {
    Parse(more);
  } catch (const CLI::Error& error) {
    return error.what();
  }
  return "";
}

TEST(FlagsTest, HaveDefaults) {
  const Flags flags = Parse({});
  EXPECT_EQ(flags.listen, "127.0.0.1:7600");
  EXPECT_EQ(flags.lease_term, absl::Seconds(30));
  EXPECT_EQ(flags.heartbeat_interval, absl::Seconds(5));
  EXPECT_EQ(flags.max_attempts, 5);
}

TEST(FlagsTest, TakeDurationsAndSeveralPrefixes) {
  const Flags flags = Parse({"--lease-term", "3s", "--heartbeat-interval", "500ms", "--allow", "/b"});
  EXPECT_EQ(flags.lease_term, absl::Seconds(3));
  EXPECT_EQ(flags.heartbeat_interval, absl::Milliseconds(500));
  EXPECT_THAT(flags.allow, ElementsAre("/a", "/b"));
}

TEST(FlagsTest, TakeCompletionHooksWithASecret) {
  const Flags flags = Parse({"--allow-hook", "https://a.example", "--allow-hook", "https://b.example/besa",
                             "--hook-secret-file", "/etc/besa/hook-secret", "--hook-patience", "1h"});
  EXPECT_THAT(flags.allow_hook, ElementsAre("https://a.example", "https://b.example/besa"));
  EXPECT_EQ(flags.hook_secret_file, "/etc/besa/hook-secret");
  EXPECT_EQ(flags.hook_patience, absl::Hours(1));
  EXPECT_THAT(Refusal({"--allow-hook", "https://a.example"}), HasSubstr("needs --hook-secret-file"));
}

TEST(FlagsTest, RefuseWhatCannotBeUsed) {
  EXPECT_THAT(Refusal({"--lease-term", "soon"}), AllOf(HasSubstr("--lease-term"), HasSubstr("soon"), HasSubstr("30s")));
  EXPECT_THAT(Refusal({"--heartbeat-interval", "-1s"}), HasSubstr("--heartbeat-interval"));
  EXPECT_THAT(Refusal({"--lease-term", "5s"}), AllOf(HasSubstr("5s"), HasSubstr("twice --heartbeat-interval")));
  EXPECT_THAT(Refusal({"--max-attempts", "0"}), HasSubstr("--max-attempts"));
  EXPECT_THAT(Refusal({"--log-level", "loud"}), AllOf(HasSubstr("loud"), HasSubstr("debug")));
}

}  // namespace
}  // namespace besa::server
