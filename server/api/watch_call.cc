#include "server/api/watch_call.h"

#include <grpcpp/server_context.h>

#include <algorithm>
#include <utility>

#include "proto/rpc_status.h"
#include "server/api/guarded.h"
#include "server/state/names.h"

namespace besa::server {
namespace {

bool IsProgress(const v1::WatchJobResponse& message) { return message.event_case() == v1::WatchJobResponse::kProgress; }

}  // namespace

WatchCall::WatchCall(const ServiceContext& services, grpc::CallbackServerContext* context,
                     const v1::WatchJobRequest* request)
    : services_(services), context_(context), name_(request->name()) {
  position_.version = request->resume_version();
}

grpc::ServerWriteReactor<v1::WatchJobResponse>* WatchCall::Start(const ServiceContext& services,
                                                                 grpc::CallbackServerContext* context,
                                                                 const v1::WatchJobRequest* request) {
  const std::shared_ptr<WatchCall> call(new WatchCall(services, context, request));
  call->self_ = call;
  call->Begin();
  return call.get();
}

void WatchCall::Begin() {
  const auto job = ParseJobName("name", name_);
  if (!job.ok()) return FinishWith(ToGrpc(job.status()));
  const std::weak_ptr<WatchCall> weak = weak_from_this();
  // Before the first look, so that no change is missed.
  subscription_ = services_.notifier.OnJob(*job, [weak, &pool = services_.quick] {
    pool.Post([weak] {
      if (const auto call = weak.lock()) call->Wake();
    });
  });
  services_.drain.Add(weak);
  LookAgainLater();
  PostLook();
}

void WatchCall::LookAgainLater() {
  services_.quick.PostAfter(kLookAgain, [weak = weak_from_this()] {
    const auto call = weak.lock();
    if (call == nullptr) return;
    call->Wake();
    call->LookAgainLater();
  });
}

void WatchCall::WakeLater(absl::Duration delay) {
  services_.quick.PostAfter(delay, [weak = weak_from_this()] {
    if (const auto call = weak.lock()) call->Wake();
  });
}

void WatchCall::Wake() {
  {
    const std::lock_guard lock(mutex_);
    woken_ = true;
    if (state_ != State::kWaiting) return;
    state_ = State::kLooking;
  }
  PostLook();
}

void WatchCall::PostLook() {
  services_.quick.Post([call = shared_from_this()] { call->Look(); });
}

void WatchCall::Look() {
  while (true) {
    {
      const std::lock_guard lock(mutex_);
      woken_ = false;
    }
    if (context_->IsCancelled()) return FinishWith(grpc::Status::CANCELLED);
    if (services_.drain.started()) {
      return FinishWith({grpc::StatusCode::UNAVAILABLE, "this coordinator is stopping; resume the watch"});
    }
    auto page = Guarded([this] { return services_.coordinator.EventsSince(name_, position_); });
    if (!page.ok()) return FinishWith(ToGrpc(page.status()));
    HoldProgress(*page);
    position_ = page->next;
    ended_ = page->ended;
    if (!page->messages.empty()) {
      messages_ = std::move(page->messages);
      written_ = 0;
      {
        const std::lock_guard lock(mutex_);
        state_ = State::kWriting;
      }
      return StartWrite(&messages_.front());
    }
    if (ended_) return FinishWith(grpc::Status::OK);
    if (page->more) continue;
    const std::lock_guard lock(mutex_);
    if (woken_) continue;
    state_ = State::kWaiting;
    return;
  }
}

void WatchCall::HoldProgress(WatchPage& page) {
  if (std::none_of(page.messages.begin(), page.messages.end(), IsProgress)) return;
  const absl::Duration now = services_.clock.Steady();
  if (now >= progress_due_) {
    progress_due_ = now + kProgressInterval;
    return;
  }
  std::erase_if(page.messages, IsProgress);
  page.next.progress = position_.progress;
  WakeLater(progress_due_ - now);
}

void WatchCall::OnWriteDone(bool ok) {
  if (!ok) return FinishWith(grpc::Status::CANCELLED);
  if (++written_ < messages_.size()) return StartWrite(&messages_[written_]);
  if (ended_) return FinishWith(grpc::Status::OK);
  {
    const std::lock_guard lock(mutex_);
    state_ = State::kLooking;
  }
  PostLook();
}

void WatchCall::FinishWith(const grpc::Status& status) {
  {
    const std::lock_guard lock(mutex_);
    state_ = State::kFinished;
  }
  Finish(status);
}

}  // namespace besa::server
