// Facts that every log line of a thread carries while they are in scope: worker, job, task, block, attempt, trace.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace besa {

using LogFields = std::vector<std::pair<std::string, std::string>>;

// Adds fields to this thread's lines until destroyed. Scopes nest.
class ScopedLogFields {
 public:
  explicit ScopedLogFields(const LogFields& fields);
  ~ScopedLogFields();
  ScopedLogFields(const ScopedLogFields&) = delete;
  ScopedLogFields& operator=(const ScopedLogFields&) = delete;

 private:
  const size_t outer_size_;
};

// The fields in scope in this thread, outermost first.
const LogFields& CurrentLogFields();

}  // namespace besa
