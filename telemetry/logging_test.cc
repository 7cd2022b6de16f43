#include "telemetry/logging.h"

#include <memory>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "spdlog/spdlog.h"
#include "telemetry/log_context.h"

namespace besa {
namespace {

using ::testing::HasSubstr;

std::string Logged(LogFormat format, const std::string& message) {
  EXPECT_TRUE(SetUpLogging("info", format).ok());
  ::testing::internal::CaptureStderr();
  const ScopedLogFields outer(LogFields{{"worker", "workers/w1"}});
  const ScopedLogFields inner(LogFields{{"job", "jobs/x"}, {"block", "3"}, {"attempt", "1"}, {"trace", "4bf9"}});
  spdlog::info(message);
  spdlog::debug("nobody asked");
  spdlog::default_logger()->flush();
  return ::testing::internal::GetCapturedStderr();
}

TEST(Logging, ALineOfTextNamesWhatItIsAbout) {
  EXPECT_THAT(Logged(LogFormat::kText, "committed"),
              HasSubstr("Z info committed worker=workers/w1 job=jobs/x block=3 attempt=1 trace=4bf9\n"));
}

TEST(Logging, ALineOfJsonIsOneObject) {
  const auto line = nlohmann::json::parse(Logged(LogFormat::kJson, "a \"quoted\"\nname"));
  EXPECT_EQ(line["message"], "a \"quoted\"\nname");
  EXPECT_EQ(line["level"], "info");
  EXPECT_EQ(line["worker"], "workers/w1");
  EXPECT_EQ(line["job"], "jobs/x");
  EXPECT_EQ(line["block"], "3");
  EXPECT_EQ(line["attempt"], "1");
  EXPECT_EQ(line["trace"], "4bf9");
}

TEST(Logging, AnUnknownLevelIsRefusedByName) {
  const absl::Status status = SetUpLogging("loud", LogFormat::kText);
  EXPECT_THAT(std::string(status.message()), HasSubstr("--log-level: loud"));
}

}  // namespace
}  // namespace besa
