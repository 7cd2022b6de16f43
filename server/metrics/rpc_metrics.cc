#include "server/metrics/rpc_metrics.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "besa/v1/fleet_service.pb.h"
#include "besa/v1/prune_service.pb.h"
#include "besa/v1/worker_service.pb.h"
#include "google/protobuf/descriptor.h"
#include "telemetry/code_label.h"

namespace besa::server {
namespace {

constexpr char kWatch[] = "PruneService/WatchJob";

void AddMethods(const google::protobuf::FileDescriptor& file, std::set<std::string>& methods) {
  for (int i = 0; i < file.service_count(); ++i) {
    for (int k = 0; k < file.service(i)->method_count(); ++k) {
      methods.insert(absl::StrCat(file.service(i)->name(), "/", file.service(i)->method(k)->name()));
    }
  }
}

}  // namespace

RpcMetrics::RpcMetrics(prometheus::Registry& registry)
    : seconds_(prometheus::BuildHistogram()
                   .Name("besa_rpc_seconds")
                   .Help("Time from the arrival of a call to its answer.")
                   .Register(registry)),
      calls_(
          prometheus::BuildCounter().Name("besa_rpc_calls_total").Help("Calls by how they ended.").Register(registry)) {
  AddMethods(*v1::CreateJobRequest::descriptor()->file(), known_);
  AddMethods(*v1::LeaseTaskRequest::descriptor()->file(), known_);
  AddMethods(*v1::ListWorkersRequest::descriptor()->file(), known_);
  // What an alert waits for is there from the start, so that the first one shows as an increase.
  for (const std::string& method : known_) {
    for (const char* code : {"INTERNAL", "UNKNOWN"}) calls_.Add({{"method", method}, {"code", code}});
  }
}

void RpcMetrics::Record(const CallRecord& call) {
  std::string method(absl::StripPrefix(call.method, "/besa.v1."));
  if (!known_.contains(method)) method = "other";
  calls_.Add({{"method", method}, {"code", CodeLabel(static_cast<absl::StatusCode>(call.code))}}).Increment();
  if (method == kWatch) return;
  seconds_.Add({{"method", method}}, prometheus::Histogram::BucketBoundaries{.002, .01, .05, .25, 1, 5, 25})
      .Observe(absl::ToDoubleSeconds(call.latency));
}

}  // namespace besa::server
