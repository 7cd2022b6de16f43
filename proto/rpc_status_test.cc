#include "proto/rpc_status.h"

#include "gtest/gtest.h"
#include "storage/base/error_info.h"

namespace besa {
namespace {

TEST(RpcStatusTest, FieldErrorSurvivesTheWire) {
  const absl::Status sent = FieldError("spec.sparsity", "0", "a number between 0 and 1, both excluded");
  const absl::Status received = FromGrpc(ToGrpc(sent));
  EXPECT_EQ(received.code(), sent.code());
  EXPECT_EQ(received.message(), sent.message());
  EXPECT_EQ(GetErrorInfo(received), GetErrorInfo(sent));
}

TEST(RpcStatusTest, PlainErrorsKeepCodeAndMessage) {
  EXPECT_TRUE(FromGrpc(ToGrpc(absl::OkStatus())).ok());
  EXPECT_EQ(FromGrpc(ToGrpc(absl::AbortedError("lost"))), absl::AbortedError("lost"));
}

TEST(RpcStatusTest, DetailsThatAreNotOursAreDropped) {
  EXPECT_EQ(FromGrpc(grpc::Status(grpc::StatusCode::UNAVAILABLE, "down", "not a proto")),
            absl::UnavailableError("down"));
}

}  // namespace
}  // namespace besa
