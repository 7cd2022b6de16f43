// One LeaseTask: a long poll.
//
//   trying --a task, an error, time up, draining--> finished
//   trying --nothing to do--> waiting --woken by the notifier, the timer or the drain--> trying
//
// Only `trying` uses a thread, one of the pool's.
#pragma once

#include <grpcpp/support/server_callback.h>

#include <memory>
#include <mutex>

#include "besa/v1/worker_service.pb.h"
#include "server/api/services.h"

namespace besa::server {

class LeaseCall final : public grpc::ServerUnaryReactor,
                        public WaitingCall,
                        public std::enable_shared_from_this<LeaseCall> {
 public:
  // The reactor for one call; it lives until gRPC is done with it.
  static grpc::ServerUnaryReactor* Start(const ServiceContext& services, grpc::CallbackServerContext* context,
                                         const v1::LeaseTaskRequest* request, v1::LeaseTaskResponse* response);

  void Wake() override;
  void OnCancel() override { Wake(); }
  void OnDone() override { self_.reset(); }

 private:
  enum class State { kTrying, kWaiting, kFinished };

  LeaseCall(const ServiceContext& services, grpc::CallbackServerContext* context, const v1::LeaseTaskRequest* request,
            v1::LeaseTaskResponse* response);
  void Begin();
  void Expire();
  void PostTry();
  void Try();
  void FinishWith(const grpc::Status& status);

  const ServiceContext& services_;
  grpc::CallbackServerContext* const context_;
  const v1::LeaseTaskRequest* const request_;
  v1::LeaseTaskResponse* const response_;
  std::shared_ptr<LeaseCall> self_;
  ChangeNotifier::Subscription subscription_;

  std::mutex mutex_;
  State state_ = State::kTrying;
  // Something happened while trying: try once more.
  bool woken_ = false;
  bool expired_ = false;
};

}  // namespace besa::server
