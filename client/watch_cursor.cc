#include "client/watch_cursor.h"

namespace besa::client {

bool IsFinal(v1::JobState state) {
  return state == v1::JOB_STATE_SUCCEEDED || state == v1::JOB_STATE_FAILED || state == v1::JOB_STATE_CANCELLED;
}

bool WatchCursor::Accept(const v1::WatchJobResponse& message) {
  using Event = v1::WatchJobResponse::EventCase;
  if (message.event_case() == Event::kProgress) return message.version() >= version_;
  // A reset goes back to an older version where the coordinator's state was restored from a backup.
  const bool news = message.reset() || message.version() > version_;
  // A repeated snapshot is no event, but still says how the job stands.
  if (message.event_case() == Event::kSnapshot && (news || message.version() == version_)) {
    job_ = message.snapshot().job();
  } else if (message.event_case() == Event::kJob && news) {
    job_ = message.job();
  }
  if (news) version_ = message.version();
  return news;
}

}  // namespace besa::client
