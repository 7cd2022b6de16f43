#include "telemetry/log_context.h"

namespace besa {
namespace {

LogFields& ThreadFields() {
  thread_local LogFields fields;
  return fields;
}

}  // namespace

ScopedLogFields::ScopedLogFields(const LogFields& fields) : outer_size_(ThreadFields().size()) {
  ThreadFields().insert(ThreadFields().end(), fields.begin(), fields.end());
}

ScopedLogFields::~ScopedLogFields() { ThreadFields().resize(outer_size_); }

const LogFields& CurrentLogFields() { return ThreadFields(); }

}  // namespace besa
