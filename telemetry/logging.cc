#include "telemetry/logging.h"

#include <ctime>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "nlohmann/json.hpp"
#include "spdlog/pattern_formatter.h"
#include "spdlog/sinks/stdout_sinks.h"
#include "spdlog/spdlog.h"
#include "storage/base/error_info.h"
#include "telemetry/log_context.h"

namespace besa {
namespace {

void Append(spdlog::memory_buf_t& out, const std::string& text) { out.append(text.data(), text.data() + text.size()); }

// %*: " key=value" for each field in scope.
class FieldsFlag final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg&, const std::tm&, spdlog::memory_buf_t& out) override {
    for (const auto& [key, value] : CurrentLogFields()) Append(out, " " + key + "=" + value);
  }
  std::unique_ptr<custom_flag_formatter> clone() const override { return std::make_unique<FieldsFlag>(); }
};

std::unique_ptr<spdlog::pattern_formatter> MakeFormatter(const std::string& pattern, const char* line_end) {
  auto formatter = std::make_unique<spdlog::pattern_formatter>(spdlog::pattern_time_type::utc, line_end);
  formatter->add_flag<FieldsFlag>('*').set_pattern(pattern);
  return formatter;
}

// Patterns cannot escape what they quote.
class JsonFormatter final : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
    spdlog::memory_buf_t time;
    time_->format(message, time);
    const auto level = spdlog::level::to_string_view(message.level);
    nlohmann::ordered_json line{{"time", std::string(time.data(), time.size())},
                                {"level", std::string(level.data(), level.size())},
                                {"message", std::string(message.payload.data(), message.payload.size())}};
    for (const auto& [key, value] : CurrentLogFields()) line[key] = value;
    Append(out, line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
  }
  std::unique_ptr<spdlog::formatter> clone() const override { return std::make_unique<JsonFormatter>(); }

 private:
  std::unique_ptr<spdlog::pattern_formatter> time_ = MakeFormatter("%Y-%m-%dT%H:%M:%S.%eZ", "");
};

}  // namespace

LogFormat ParseLogFormat(absl::string_view name) { return name == "json" ? LogFormat::kJson : LogFormat::kText; }

absl::Status SetUpLogging(absl::string_view level, LogFormat format, const std::vector<spdlog::sink_ptr>& sinks) {
  static const auto* const levels = new std::map<std::string, spdlog::level::level_enum>{
      {"trace", spdlog::level::trace}, {"debug", spdlog::level::debug},  {"info", spdlog::level::info},
      {"warn", spdlog::level::warn},   {"warning", spdlog::level::warn}, {"error", spdlog::level::err},
  };
  const auto found = levels->find(std::string(level));
  if (found == levels->end()) return FieldError("--log-level", level, "trace, debug, info, warn or error");

  auto errors = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  if (format == LogFormat::kJson) {
    errors->set_formatter(std::make_unique<JsonFormatter>());
  } else {
    errors->set_formatter(MakeFormatter("%Y-%m-%dT%H:%M:%S.%eZ %l %v%*", "\n"));
  }
  std::vector<spdlog::sink_ptr> all{std::move(errors)};
  all.insert(all.end(), sinks.begin(), sinks.end());
  auto logger = std::make_shared<spdlog::logger>("besa", all.begin(), all.end());
  logger->set_level(found->second);
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(std::move(logger));
  return absl::OkStatus();
}

}  // namespace besa
