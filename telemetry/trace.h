// One trace id from client through coordinator to worker, so that all log lines about one thing can be found by one
// word. It travels in gRPC metadata as W3C trace context (https://www.w3.org/TR/trace-context/).
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "absl/strings/string_view.h"

namespace besa {

// The key of the metadata.
inline constexpr char kTraceparent[] = "traceparent";

// 32 hexadecimal digits, never all zero. `random` gives 64 random bits.
std::string NewTraceId(const std::function<uint64_t()>& random);

// "00-<trace id>-<16 random digits>-01".
std::string MakeTraceparent(absl::string_view trace_id, const std::function<uint64_t()>& random);

// The trace id of a traceparent; empty if it is none.
std::string TraceIdOf(absl::string_view traceparent);

}  // namespace besa
