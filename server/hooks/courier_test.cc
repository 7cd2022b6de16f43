#include "server/hooks/courier.h"

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "server/scheduler/coordinator_testing.h"

namespace besa::server {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using testing::CoordinatorBench;
using ::testing::HasSubstr;

constexpr char kSecret[] = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
constexpr char kUri[] = "https://hooks.example.com/besa";

// A coordinator on a real state, a courier, and an endpoint that answers as it is told.
class CourierTest : public ::testing::Test {
 protected:
  CourierTest() { Start("c1", {"https://hooks.example.com"}); }

  void Start(const std::string& id, const std::vector<std::string>& allowed) {
    courier_ = std::make_unique<Courier>(
        *bench_.coordinator,
        [this](const HttpRequest& request) {
          requests_.push_back(request);
          return answer_;
        },
        bench_.clock, [] { return uint64_t{0}; },
        Courier::Options{.id = id,
                         .agent = "besa/test",
                         .endpoints = *Endpoints::Allow(allowed),
                         .signer = *Signer::Parse(kSecret)});
  }

  // A job that has ended.
  std::string Cancelled() {
    NewJob request = testing::TestRequest(/*blocks=*/2, /*evaluation=*/false);
    request.completion_hook = kUri;
    const std::string name = bench_.coordinator->CreateJob(request)->name();
    EXPECT_TRUE(bench_.coordinator->CancelJob(name).ok());
    return name;
  }
  v1::CompletionHook Hook(const std::string& name) { return bench_.coordinator->GetJob(name)->completion_hook(); }
  static std::string Header(const HttpRequest& request, absl::string_view name) {
    for (const std::string& header : request.headers) {
      if (absl::StartsWith(header, name)) return header.substr(name.size() + 2);
    }
    return "";
  }

  CoordinatorBench bench_;
  absl::StatusOr<HttpAnswer> answer_ = HttpAnswer{.status = 204};
  std::vector<HttpRequest> requests_;
  std::unique_ptr<Courier> courier_;
};

TEST_F(CourierTest, DeliversTheEndOfAJobSigned) {
  EXPECT_GT(courier_->RunOnce(), absl::ZeroDuration()) << "there is nothing to do";
  const std::string name = Cancelled();
  EXPECT_EQ(courier_->RunOnce(), absl::ZeroDuration()) << "there may be more";
  ASSERT_EQ(requests_.size(), 1u);
  const HttpRequest& request = requests_[0];
  EXPECT_EQ(request.uri, kUri);
  EXPECT_EQ(nlohmann::json::parse(request.body)["data"]["name"], name);
  EXPECT_EQ(nlohmann::json::parse(request.body)["type"], "job.cancelled");
  EXPECT_THAT(request.headers, AllOf(Contains("Content-Type: application/json"), Contains("User-Agent: besa/test")));
  EXPECT_EQ(Header(request, "webhook-id"), "j1-1");
  const int64_t now = absl::ToUnixSeconds(bench_.clock.Now());
  EXPECT_EQ(Header(request, "webhook-timestamp"), std::to_string(now));
  EXPECT_EQ(Header(request, "webhook-signature"), Signer::Parse(kSecret)->Sign("j1-1", now, request.body));
  EXPECT_EQ(Hook(name).state(), v1::COMPLETION_HOOK_STATE_DELIVERED);
  EXPECT_GT(courier_->RunOnce(), absl::ZeroDuration());
  EXPECT_EQ(requests_.size(), 1u);
}

TEST_F(CourierTest, TriesAgainWithTheSameIdAndBodyAndAFreshSignature) {
  const std::string name = Cancelled();
  answer_ = HttpAnswer{.status = 500, .text = "out of\norder"};
  courier_->RunOnce();
  EXPECT_EQ(Hook(name).state(), v1::COMPLETION_HOOK_STATE_PENDING);
  EXPECT_EQ(Hook(name).last_error(), "the endpoint answered 500: out of\\norder");
  answer_ = absl::UnavailableError("Failed to connect to hooks.example.com port 443: Connection refused");
  bench_.clock.Advance(absl::Seconds(2));
  courier_->RunOnce();
  EXPECT_THAT(Hook(name).last_error(), HasSubstr("Connection refused"));
  answer_ = HttpAnswer{.status = 200};
  bench_.clock.Advance(absl::Seconds(4));
  courier_->RunOnce();
  EXPECT_EQ(Hook(name).state(), v1::COMPLETION_HOOK_STATE_DELIVERED);
  ASSERT_EQ(requests_.size(), 3u);
  for (const HttpRequest& request : requests_) {
    EXPECT_EQ(request.body, requests_[0].body);
    EXPECT_EQ(Header(request, "webhook-id"), "j1-1");
  }
  EXPECT_NE(Header(requests_[1], "webhook-signature"), Header(requests_[0], "webhook-signature"));
}

TEST_F(CourierTest, ARedirectIsAFailureThatSaysWhereItLed) {
  const std::string name = Cancelled();
  answer_ = HttpAnswer{.status = 302, .location = "http://10.0.0.1/admin"};
  courier_->RunOnce();
  EXPECT_EQ(requests_.size(), 1u);
  EXPECT_EQ(Hook(name).state(), v1::COMPLETION_HOOK_STATE_PENDING);
  EXPECT_THAT(Hook(name).last_error(),
              AllOf(HasSubstr("302"), HasSubstr("http://10.0.0.1/admin"), HasSubstr("not followed")));
}

TEST_F(CourierTest, AnEndpointThatIsGoneIsNotCalledAgain) {
  const std::string name = Cancelled();
  answer_ = HttpAnswer{.status = 410};
  courier_->RunOnce();
  EXPECT_EQ(Hook(name).state(), v1::COMPLETION_HOOK_STATE_FAILED);
  EXPECT_EQ(Hook(name).last_error(), "the endpoint answered 410");
}

TEST_F(CourierTest, AnEndpointThatIsNoLongerAllowedIsNotCalled) {
  const std::string name = Cancelled();
  Start("c2", {"https://elsewhere.example.com"});
  courier_->RunOnce();
  EXPECT_TRUE(requests_.empty());
  EXPECT_EQ(Hook(name).state(), v1::COMPLETION_HOOK_STATE_PENDING) << "another coordinator may still be allowed to";
  EXPECT_THAT(Hook(name).last_error(), HasSubstr("is not allowed"));
}

// The first coordinator dies between the endpoint's answer and its report.
TEST_F(CourierTest, ACoordinatorThatDiesInBetweenCostsASecondDelivery) {
  const std::string name = Cancelled();
  ASSERT_TRUE((*bench_.coordinator->ClaimHook("c1")).has_value());
  bench_.RestartCoordinator();
  Start("c2", {"https://hooks.example.com"});
  courier_->RunOnce();
  EXPECT_EQ(requests_.size(), 1u);
  EXPECT_EQ(Hook(name).state(), v1::COMPLETION_HOOK_STATE_DELIVERED);
  EXPECT_EQ(Hook(name).attempts(), 2);
}

TEST_F(CourierTest, ADeadEndpointDoesNotKeepTheOthersWaiting) {
  const std::string first = Cancelled();
  answer_ = absl::UnavailableError("timeout");
  courier_->RunOnce();
  answer_ = HttpAnswer{.status = 200};
  NewJob request = testing::TestRequest(2, false);
  request.completion_hook = std::string(kUri) + "/other";
  request.output_key = "/out/other";
  const std::string second = bench_.coordinator->CreateJob(request)->name();
  ASSERT_TRUE(bench_.coordinator->CancelJob(second).ok());
  courier_->RunOnce();
  EXPECT_EQ(Hook(second).state(), v1::COMPLETION_HOOK_STATE_DELIVERED);
  EXPECT_EQ(Hook(first).state(), v1::COMPLETION_HOOK_STATE_PENDING);
}

}  // namespace
}  // namespace besa::server
