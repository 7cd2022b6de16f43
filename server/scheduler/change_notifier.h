// Wake-ups for calls that wait: watches of a job, workers that want a task, the publisher, whoever calls
// completion hooks.
//
// Within this process. Where several coordinators share a state, a bridge carries them from one to the other: it hears
// of what happens here by OnAny and passes on what happened elsewhere by Deliver. It may lose some: whoever waits looks
// again by itself after seconds.
//
// A wake-up carries nothing: whoever is woken reads the state again. The pattern that misses none is
//   subscribe, look, and if there was nothing wait for the callback (or a timer), then look again.
// Nobody's thread is held while it waits.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace besa::server {

// Thread-safe. Must outlive its subscriptions.
class ChangeNotifier {
 public:
  // Called on the thread that made the change, any number of times: hand the work over to another thread and return.
  // It may drop its own subscription, and must not call into the Coordinator.
  using Callback = std::function<void()>;

  // While it lives the callback may be called. Once the destructor has returned it is not called any more.
  class Subscription {
   public:
    Subscription() = default;
    ~Subscription();
    Subscription(Subscription&& other) noexcept = default;
    Subscription& operator=(Subscription&& other) noexcept;

   private:
    friend class ChangeNotifier;
    struct Entry;
    void Drop();
    std::shared_ptr<Entry> entry_;
  };

  ChangeNotifier() = default;
  ChangeNotifier(const ChangeNotifier&) = delete;
  ChangeNotifier& operator=(const ChangeNotifier&) = delete;

  // The job, one of its tasks or the progress of one changed, or it was deleted.
  [[nodiscard]] Subscription OnJob(absl::string_view job_id, Callback callback);
  // A task may have become free for a worker.
  [[nodiscard]] Subscription OnWork(Callback callback);
  // A job may be ready to be published.
  [[nodiscard]] Subscription OnPublishing(Callback callback);
  // A completion hook may be due.
  [[nodiscard]] Subscription OnHook(Callback callback);

  // Something of the above was made known in this process, not by Deliver; the argument is what Deliver takes.
  using AnyCallback = std::function<void(const std::string& topic)>;
  // Set before others use the notifier, unset after; called as a Callback is.
  void SetBridge(AnyCallback on_any);

  // As if it had happened here, but the bridge does not hear of it.
  void Deliver(const std::string& topic);
  // The bridge may have missed anything: wakes everybody.
  void DeliverAll();

  void JobChanged(absl::string_view job_id);
  void WorkAppeared();
  void PublishingAppeared();
  void HookFellDue();

 private:
  using Entries = std::set<std::shared_ptr<Subscription::Entry>>;

  Subscription Subscribe(const std::string& topic, Callback callback);
  void Announce(const std::string& topic);
  static void Call(const std::vector<std::shared_ptr<Subscription::Entry>>& entries);

  std::mutex mutex_;
  // By topic: "job/<id>", "work", "publishing", "hook".
  std::map<std::string, Entries> topics_;
  std::shared_ptr<const AnyCallback> bridge_;
};

}  // namespace besa::server
