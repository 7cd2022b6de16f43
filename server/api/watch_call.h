// One WatchJob: a stream that follows a job until it ends.
//
//   looking --messages--> writing --all written--> looking
//   looking --nothing new--> waiting --woken by the notifier, a timer or the drain--> looking
//   looking --job ended and told, error, caller gone, draining--> finished
//
// Only `looking` uses a thread, one of the pool's. Changes are sent at once; progress of tasks at most once a second.
#pragma once

#include <grpcpp/support/server_callback.h>

#include <memory>
#include <mutex>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "besa/v1/prune_service.pb.h"
#include "server/api/services.h"

namespace besa::server {

class WatchCall final : public grpc::ServerWriteReactor<v1::WatchJobResponse>,
                        public WaitingCall,
                        public std::enable_shared_from_this<WatchCall> {
 public:
  static constexpr absl::Duration kProgressInterval = absl::Seconds(1);
  // A change at another coordinator that died before it told us is found by looking.
  static constexpr absl::Duration kLookAgain = absl::Seconds(3);

  // The reactor for one call; it lives until gRPC is done with it.
  static grpc::ServerWriteReactor<v1::WatchJobResponse>* Start(const ServiceContext& services,
                                                               grpc::CallbackServerContext* context,
                                                               const v1::WatchJobRequest* request);

  void Wake() override;
  void OnCancel() override { Wake(); }
  void OnWriteDone(bool ok) override;
  void OnDone() override { self_.reset(); }

 private:
  enum class State { kLooking, kWaiting, kWriting, kFinished };

  WatchCall(const ServiceContext& services, grpc::CallbackServerContext* context, const v1::WatchJobRequest* request);
  void Begin();
  void WakeLater(absl::Duration delay);
  void LookAgainLater();
  void PostLook();
  void Look();
  // Takes progress out of the page while the last report is too fresh; it is asked for again later.
  void HoldProgress(WatchPage& page);
  void FinishWith(const grpc::Status& status);

  const ServiceContext& services_;
  grpc::CallbackServerContext* const context_;
  const std::string name_;
  std::shared_ptr<WatchCall> self_;
  ChangeNotifier::Subscription subscription_;

  // Used by whoever looks or writes: one at a time.
  WatchPosition position_;
  std::vector<v1::WatchJobResponse> messages_;
  size_t written_ = 0;
  bool ended_ = false;
  absl::Duration progress_due_ = -absl::InfiniteDuration();

  std::mutex mutex_;
  State state_ = State::kLooking;
  // Something happened while looking or writing: look once more.
  bool woken_ = false;
};

}  // namespace besa::server
