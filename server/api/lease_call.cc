#include "server/api/lease_call.h"

#include <grpcpp/server_context.h>

#include <algorithm>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "proto/rpc_status.h"
#include "proto/time.h"
#include "server/api/guarded.h"

namespace besa::server {
namespace {

// A worker that is silent for a term is lost, and it is silent while its call waits.
absl::Duration WaitOf(const v1::LeaseTaskRequest& request, absl::Duration lease_term) {
  const absl::Duration asked = FromProto(request.wait());
  return std::clamp(asked, absl::ZeroDuration(), lease_term / 3);
}

}  // namespace

LeaseCall::LeaseCall(const ServiceContext& services, grpc::CallbackServerContext* context,
                     const v1::LeaseTaskRequest* request, v1::LeaseTaskResponse* response)
    : services_(services), context_(context), request_(request), response_(response) {}

grpc::ServerUnaryReactor* LeaseCall::Start(const ServiceContext& services, grpc::CallbackServerContext* context,
                                           const v1::LeaseTaskRequest* request, v1::LeaseTaskResponse* response) {
  const std::shared_ptr<LeaseCall> call(new LeaseCall(services, context, request, response));
  call->self_ = call;
  call->Begin();
  return call.get();
}

void LeaseCall::Begin() {
  const std::weak_ptr<LeaseCall> weak = weak_from_this();
  // Before the first try, so that no change is missed.
  subscription_ = services_.notifier.OnWork([weak, &pool = services_.quick] {
    pool.Post([weak] {
      if (const auto call = weak.lock()) call->Wake();
    });
  });
  services_.drain.Add(weak);
  const absl::Duration wait = WaitOf(*request_, services_.coordinator.options().lease_term);
  if (wait > absl::ZeroDuration()) {
    services_.quick.PostAfter(wait, [weak] {
      if (const auto call = weak.lock()) call->Expire();
    });
  } else {
    expired_ = true;
  }
  PostTry();
}

void LeaseCall::Expire() {
  {
    const std::lock_guard lock(mutex_);
    expired_ = true;
  }
  Wake();
}

void LeaseCall::Wake() {
  {
    const std::lock_guard lock(mutex_);
    woken_ = true;
    if (state_ != State::kWaiting) return;
    state_ = State::kTrying;
  }
  PostTry();
}

void LeaseCall::PostTry() {
  services_.quick.Post([call = shared_from_this()] { call->Try(); });
}

void LeaseCall::Try() {
  while (true) {
    bool last = services_.drain.started();
    {
      const std::lock_guard lock(mutex_);
      woken_ = false;
      last = last || expired_;
    }
    // Nobody would hear of a task that was granted now.
    if (context_->IsCancelled()) return FinishWith(grpc::Status::CANCELLED);
    auto leased = Guarded([this] { return services_.coordinator.Lease(*request_); });
    if (!leased.ok()) return FinishWith(ToGrpc(leased.status()));
    if (leased->has_assignment() || last) {
      *response_ = *std::move(leased);
      return FinishWith(grpc::Status::OK);
    }
    const std::lock_guard lock(mutex_);
    if (woken_) continue;
    state_ = State::kWaiting;
    return;
  }
}

void LeaseCall::FinishWith(const grpc::Status& status) {
  {
    const std::lock_guard lock(mutex_);
    state_ = State::kFinished;
  }
  Finish(status);
}

}  // namespace besa::server
