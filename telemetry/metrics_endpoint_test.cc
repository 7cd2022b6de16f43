#include "telemetry/metrics_endpoint.h"

#include <curl/curl.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "telemetry/process_metrics.h"

namespace besa {
namespace {

using ::testing::HasSubstr;

std::string Fetch(const std::string& url) {
  std::string body;
  const std::unique_ptr<CURL, void (*)(CURL*)> curl(curl_easy_init(), &curl_easy_cleanup);
  curl_easy_setopt(curl.get(), CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &body);
  curl_easy_setopt(
      curl.get(), CURLOPT_WRITEFUNCTION, +[](char* data, size_t size, size_t count, std::string* to) {
        to->append(data, size * count);
        return size * count;
      });
  EXPECT_EQ(curl_easy_perform(curl.get()), CURLE_OK);
  return body;
}

TEST(MetricsEndpoint, ServesTheRegistryAndTheProcess) {
  const auto registry = std::make_shared<prometheus::Registry>();
  AddBuildInfo(*registry, "besa-coordinator", "1.2.3");
  const auto endpoint = MetricsEndpoint::Start("127.0.0.1:0", registry);
  ASSERT_TRUE(endpoint.ok()) << endpoint.status();
  const std::string text = Fetch("http://" + (*endpoint)->address() + "/metrics");
  EXPECT_THAT(text, HasSubstr(R"(program="besa-coordinator",version="1.2.3"} 1)"));
  EXPECT_THAT(text, HasSubstr("process_resident_memory_bytes "));
  EXPECT_THAT(text, HasSubstr("process_cpu_seconds_total "));
}

double ValueOf(const std::vector<prometheus::MetricFamily>& families, const std::string& name) {
  for (const prometheus::MetricFamily& family : families) {
    if (family.name == name) return family.metric.at(0).gauge.value;
  }
  return -1;
}

TEST(ProcessMetrics, AreThoseOfThisProcess) {
  std::vector<char> touched(64 << 20, 'x');
  double sum = 0;
  for (int i = 0; i < 200'000'000; ++i) sum += touched[static_cast<size_t>(i) % touched.size()];
  ASSERT_GT(sum, 0);
  const auto families = ProcessMetrics().Collect();
  EXPECT_GT(ValueOf(families, "process_resident_memory_bytes"), 64 << 20);
  EXPECT_LT(ValueOf(families, "process_resident_memory_bytes"), 1e9);
  EXPECT_GT(ValueOf(families, "process_cpu_seconds_total"), 0.01);
  EXPECT_LT(ValueOf(families, "process_cpu_seconds_total"), 100);
  EXPECT_NEAR(ValueOf(families, "process_start_time_seconds"), absl::ToUnixSeconds(absl::Now()), 120);
  EXPECT_GE(ValueOf(families, "process_open_fds"), 3);
}

TEST(MetricsEndpoint, APortInUseIsNamed) {
  const auto registry = std::make_shared<prometheus::Registry>();
  const auto first = MetricsEndpoint::Start("127.0.0.1:0", registry);
  ASSERT_TRUE(first.ok());
  const auto second = MetricsEndpoint::Start((*first)->address(), registry);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(second.status().message()), HasSubstr((*first)->address()));
  EXPECT_EQ(MetricsEndpoint::Start("nonsense", registry).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace besa
