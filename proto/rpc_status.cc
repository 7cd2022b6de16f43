#include "proto/rpc_status.h"

#include <string>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "storage/base/error_info.h"

namespace besa {

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  const auto code = static_cast<grpc::StatusCode>(status.code());
  const std::string message(status.message());
  const auto info = GetErrorInfo(status);
  if (!info) return grpc::Status(code, message);

  google::rpc::ErrorInfo detail;
  detail.set_domain(kErrorDomain);
  detail.set_reason(info->reason);
  detail.mutable_metadata()->insert(info->metadata.begin(), info->metadata.end());
  google::rpc::Status rich;
  rich.set_code(static_cast<int>(code));
  rich.set_message(message);
  rich.add_details()->PackFrom(detail);
  return grpc::Status(code, message, rich.SerializeAsString());
}

absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  const auto code = static_cast<absl::StatusCode>(status.error_code());
  google::rpc::Status rich;
  if (rich.ParseFromString(status.error_details())) {
    for (const auto& any : rich.details()) {
      google::rpc::ErrorInfo detail;
      if (any.UnpackTo(&detail) && detail.domain() == kErrorDomain) {
        return ErrorWithInfo(code, status.error_message(),
                             {detail.reason(), {detail.metadata().begin(), detail.metadata().end()}});
      }
    }
  }
  return absl::Status(code, status.error_message());
}

}  // namespace besa
