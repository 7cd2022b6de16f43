#include "server/metrics/rpc_metrics.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "prometheus/text_serializer.h"

namespace besa::server {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(RpcMetrics, CountsByMethodAndCodeAndKeepsStrangersTogether) {
  prometheus::Registry registry;
  RpcMetrics metrics(registry);
  CallRecord call;
  call.method = "/besa.v1.PruneService/GetJob";
  call.code = grpc::StatusCode::NOT_FOUND;
  call.latency = absl::Milliseconds(3);
  metrics.Record(call);
  for (const char* method : {"/besa.v1.PruneService/Hack1", "/x/Hack2", "/grpc.health.v1.Health/Check"}) {
    call.method = method;
    metrics.Record(call);
  }
  call.method = "/besa.v1.PruneService/WatchJob";
  metrics.Record(call);

  const std::string text = prometheus::TextSerializer().Serialize(registry.Collect());
  EXPECT_THAT(text, HasSubstr(R"(besa_rpc_calls_total{code="NOT_FOUND",method="PruneService/GetJob"} 1)"));
  EXPECT_THAT(text, HasSubstr(R"(besa_rpc_seconds_bucket{method="PruneService/GetJob",le="0.01"} 1)"));
  EXPECT_THAT(text, HasSubstr(R"(besa_rpc_calls_total{code="NOT_FOUND",method="other"} 3)"));
  EXPECT_THAT(text, HasSubstr(R"(besa_rpc_calls_total{code="INTERNAL",method="WorkerService/CommitTask"} 0)"))
      << "so that an alert sees the first one as an increase";
  EXPECT_THAT(text, Not(HasSubstr("Hack")));
  EXPECT_THAT(text, Not(HasSubstr(R"(besa_rpc_seconds_bucket{method="PruneService/WatchJob")")));
}

}  // namespace
}  // namespace besa::server
