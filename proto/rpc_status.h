// absl::Status inside, gRPC status with google.rpc.ErrorInfo outside (AIP-193).
#pragma once

#include <grpcpp/support/status.h>

#include "absl/status/status.h"

namespace besa {

// The domain of every ErrorInfo we send.
inline constexpr char kErrorDomain[] = "besa.dev";

// Code and message carry over; besa::ErrorInfo becomes google.rpc.ErrorInfo in the status details.
grpc::Status ToGrpc(const absl::Status& status);

// The inverse. Details of other domains are dropped.
absl::Status FromGrpc(const grpc::Status& status);

}  // namespace besa
