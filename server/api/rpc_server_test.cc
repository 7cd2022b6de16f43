#include "server/api/rpc_server.h"

#include <grpcpp/channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/byte_buffer.h>

#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/api/api_testing.h"
#include "server/api/guarded.h"
#include "server/api/request_log.h"
#include "spdlog/sinks/ostream_sink.h"
#include "spdlog/spdlog.h"

namespace besa::server {
namespace {

using ::besa::server::testing::Call;
using ::besa::server::testing::TestService;
using ::testing::AllOf;
using ::testing::HasSubstr;

// Calls a method of a service whose stubs we do not have, in bytes: one message to, one message back.
std::string CallRaw(TestService& service, const std::string& method, const std::string& request) {
  grpc::GenericStub stub(service.channel());
  grpc::CompletionQueue queue;
  Call call;
  const auto wait = [&queue] {
    void* tag = nullptr;
    bool ok = false;
    return queue.Next(&tag, &ok) && ok;
  };
  const auto stream = stub.PrepareCall(&call, method, &queue);
  stream->StartCall(nullptr);
  EXPECT_TRUE(wait());
  const grpc::Slice slice(request);
  stream->WriteLast(grpc::ByteBuffer(&slice, 1), {}, nullptr);
  EXPECT_TRUE(wait());
  grpc::ByteBuffer answer;
  stream->Read(&answer, nullptr);
  EXPECT_TRUE(wait());
  std::vector<grpc::Slice> slices;
  std::string bytes;
  EXPECT_TRUE(answer.Dump(&slices).ok());
  for (const grpc::Slice& part : slices) bytes.append(reinterpret_cast<const char*>(part.begin()), part.size());
  grpc::Status status;
  stream->Finish(&status, nullptr);
  EXPECT_TRUE(wait());
  EXPECT_TRUE(status.ok()) << status.error_message();
  return bytes;
}

TEST(RpcServerTest, AnswersHealthChecks) {
  TestService service;
  // HealthCheckRequest{service}; the answer is HealthCheckResponse{status = SERVING}.
  EXPECT_EQ(CallRaw(service, "/grpc.health.v1.Health/Check", ""), "\x08\x01");
  const std::string name = v1::PruneService::service_full_name();
  EXPECT_EQ(
      CallRaw(service, "/grpc.health.v1.Health/Check", "\x0a" + std::string(1, static_cast<char>(name.size())) + name),
      "\x08\x01");
}

TEST(RpcServerTest, TellsToolsWhatItServes) {
  TestService service;
  // ServerReflectionRequest{list_services = "*"}
  const std::string answer =
      CallRaw(service, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", "\x3a\x01*");
  EXPECT_THAT(answer, AllOf(HasSubstr("besa.v1.PruneService"), HasSubstr("besa.v1.WorkerService"),
                            HasSubstr("besa.v1.FleetService"), HasSubstr("grpc.health.v1.Health")));
}

TEST(RpcServerTest, SaysWhyItCannotListen) {
  TestService service;
  const auto listen = [&](const std::string& address) {
    ChangeNotifier notifier;
    return std::string(RpcServer::Start({.listen = address, .workspace = service.workspace()}, service.coordinator(),
                                        notifier, service.store(), Clock::Real())
                           .status()
                           .message());
  };
  EXPECT_EQ(listen(service.server().address()),
            "cannot listen on " + service.server().address() + ": the port is in use");
  EXPECT_THAT(listen("7600"), HasSubstr("expected HOST:PORT"));
  EXPECT_THAT(listen("no.such.host.invalid:1"), HasSubstr("no.such.host.invalid"));
}

TEST(RpcServerTest, EveryCallIsLoggedWithItsOutcome) {
  std::ostringstream log;
  const auto before = spdlog::default_logger();
  auto logger = std::make_shared<spdlog::logger>("test", std::make_shared<spdlog::sinks::ostream_sink_mt>(log));
  logger->set_level(spdlog::level::debug);
  logger->set_pattern("%l %v");
  spdlog::set_default_logger(logger);
  {
    TestService service;
    service.CreateJob(service.Request("out"));
    v1::GetJobRequest request;
    request.set_name("jobs/none");
    v1::Job job;
    Call call;
    EXPECT_FALSE(service.prune().GetJob(&call, request, &job).ok());
    // Health checks pass the same way.
    CallRaw(service, "/grpc.health.v1.Health/Check", "");
  }
  spdlog::set_default_logger(before);
  EXPECT_THAT(log.str(), HasSubstr("info /besa.v1.PruneService/CreateJob OK "));
  EXPECT_THAT(log.str(), HasSubstr(" ms ipv4:127.0.0.1:"));
  EXPECT_THAT(log.str(), HasSubstr("info /besa.v1.PruneService/GetJob NOT_FOUND "));
  EXPECT_THAT(log.str(), HasSubstr("debug /grpc.health.v1.Health/Check OK "));
}

TEST(GuardedTest, TurnsExceptionsIntoInternal) {
  const absl::Status status = Guarded([]() -> absl::Status { throw std::runtime_error("disk on fire"); });
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_EQ(std::string(status.message()), "internal error: disk on fire");
  EXPECT_TRUE(Guarded([] { return absl::OkStatus(); }).ok());
}

}  // namespace
}  // namespace besa::server
