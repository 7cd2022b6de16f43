#include "worker/ranks/rank_log.h"

#include <memory>
#include <mutex>
#include <string>

#include "besa/v1/rank.pb.h"
#include "spdlog/sinks/base_sink.h"
#include "spdlog/spdlog.h"
#include "storage/base/status_macros.h"
#include "telemetry/logging.h"
#include "worker/agent/log_tail.h"

namespace besa::worker {
namespace {

class SocketSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit SocketSink(MessageSocket& socket) : socket_(socket) {}

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    v1::RankReport report;
    report.mutable_log()->set_level(message.level);
    report.mutable_log()->set_text(ToUtf8(std::string(message.payload.data(), message.payload.size())));
    // Without anybody who reads there is no log, either.
    socket_.Send(report).IgnoreError();
  }
  void flush_() override {}

 private:
  MessageSocket& socket_;
};

}  // namespace

absl::Status SendLogTo(MessageSocket& socket, absl::string_view level) {
  RETURN_IF_ERROR(SetUpLogging(level, LogFormat::kText));
  spdlog::default_logger()->sinks() = {std::make_shared<SocketSink>(socket)};
  return absl::OkStatus();
}

}  // namespace besa::worker
