// Times as values of flags.
#pragma once

#include <string>

#include "absl/strings/numbers.h"
#include "absl/time/time.h"

#include "CLI/CLI.hpp"

namespace besa::client {

// Declares a flag whose value is a time above zero, such as "10" (seconds), "2s", "500ms", "1h30m". `duration` must
// outlive the parsing.
inline CLI::Option* AddDurationOption(CLI::App& app, const std::string& flag, absl::Duration& duration,
                                      const std::string& help) {
  return app
      .add_option_function<std::string>(
          flag,
          [&duration, flag](const std::string& text) {
            double seconds = 0;
            absl::Duration parsed;
            if (absl::SimpleAtod(text, &seconds)) {
              parsed = absl::Seconds(seconds);
            } else if (!absl::ParseDuration(text, &parsed)) {
              parsed = absl::ZeroDuration();
            }
            if (parsed <= absl::ZeroDuration()) {
              throw CLI::ValidationError(flag, text + " is not valid; expected a time such as 10, 2s or 500ms");
            }
            duration = parsed;
          },
          help)
      ->type_name("TIME");
}

}  // namespace besa::client
