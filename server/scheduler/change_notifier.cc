#include "server/scheduler/change_notifier.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace besa::server {

struct ChangeNotifier::Subscription::Entry {
  ChangeNotifier* notifier = nullptr;
  std::string topic;
  // Held while the callback runs, so that dropping waits for it; recursive, so that the callback may drop.
  std::recursive_mutex mutex;
  Callback callback;  // empty: dropped; guarded by mutex
};

ChangeNotifier::Subscription::~Subscription() { Drop(); }

ChangeNotifier::Subscription& ChangeNotifier::Subscription::operator=(Subscription&& other) noexcept {
  if (this != &other) {
    Drop();
    entry_ = std::move(other.entry_);
  }
  return *this;
}

void ChangeNotifier::Subscription::Drop() {
  if (entry_ == nullptr) return;
  const std::shared_ptr<Entry> entry = std::move(entry_);
  {
    const std::lock_guard<std::mutex> guard(entry->notifier->mutex_);
    const auto topic = entry->notifier->topics_.find(entry->topic);
    if (topic != entry->notifier->topics_.end()) {
      topic->second.erase(entry);
      if (topic->second.empty()) entry->notifier->topics_.erase(topic);
    }
  }
  // Taken out first and destroyed after the lock: the callback may own what owns this subscription.
  Callback callback;
  const std::lock_guard<std::recursive_mutex> guard(entry->mutex);
  callback = std::exchange(entry->callback, nullptr);
}

ChangeNotifier::Subscription ChangeNotifier::Subscribe(const std::string& topic, Callback callback) {
  Subscription subscription;
  subscription.entry_ = std::make_shared<Subscription::Entry>();
  subscription.entry_->notifier = this;
  subscription.entry_->topic = topic;
  subscription.entry_->callback = std::move(callback);
  const std::lock_guard<std::mutex> guard(mutex_);
  topics_[topic].insert(subscription.entry_);
  return subscription;
}

void ChangeNotifier::SetBridge(AnyCallback on_any) {
  const std::lock_guard<std::mutex> guard(mutex_);
  bridge_ = on_any ? std::make_shared<const AnyCallback>(std::move(on_any)) : nullptr;
}

void ChangeNotifier::Call(const std::vector<std::shared_ptr<Subscription::Entry>>& entries) {
  for (const auto& entry : entries) {
    const std::lock_guard<std::recursive_mutex> guard(entry->mutex);
    // A copy: the callback may drop itself while it runs.
    if (const Callback callback = entry->callback) callback();
  }
}

void ChangeNotifier::Deliver(const std::string& topic) {
  std::vector<std::shared_ptr<Subscription::Entry>> entries;
  {
    const std::lock_guard<std::mutex> guard(mutex_);
    if (const auto found = topics_.find(topic); found != topics_.end()) {
      entries.assign(found->second.begin(), found->second.end());
    }
  }
  Call(entries);
}

void ChangeNotifier::DeliverAll() {
  std::vector<std::shared_ptr<Subscription::Entry>> entries;
  {
    const std::lock_guard<std::mutex> guard(mutex_);
    for (const auto& [topic, waiting] : topics_) entries.insert(entries.end(), waiting.begin(), waiting.end());
  }
  Call(entries);
}

void ChangeNotifier::Announce(const std::string& topic) {
  std::shared_ptr<const AnyCallback> bridge;
  {
    const std::lock_guard<std::mutex> guard(mutex_);
    bridge = bridge_;
  }
  if (bridge != nullptr) (*bridge)(topic);
  Deliver(topic);
}

ChangeNotifier::Subscription ChangeNotifier::OnJob(absl::string_view job_id, Callback callback) {
  return Subscribe(absl::StrCat("job/", job_id), std::move(callback));
}
ChangeNotifier::Subscription ChangeNotifier::OnWork(Callback callback) {
  return Subscribe("work", std::move(callback));
}
ChangeNotifier::Subscription ChangeNotifier::OnPublishing(Callback callback) {
  return Subscribe("publishing", std::move(callback));
}
ChangeNotifier::Subscription ChangeNotifier::OnHook(Callback callback) {
  return Subscribe("hook", std::move(callback));
}

void ChangeNotifier::JobChanged(absl::string_view job_id) { Announce(absl::StrCat("job/", job_id)); }
void ChangeNotifier::WorkAppeared() { Announce("work"); }
void ChangeNotifier::PublishingAppeared() { Announce("publishing"); }
void ChangeNotifier::HookFellDue() { Announce("hook"); }

}  // namespace besa::server
