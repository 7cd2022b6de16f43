#!/usr/bin/env bash
# AddressSanitizer with UndefinedBehaviorSanitizer over every unit test, ThreadSanitizer over those of what threads share:
# storage, the coordinator's state, scheduler and calls, and the worker's agent. Each in a build folder of its own;
# tests/sanitizers/ has what is suppressed, and why.
# Usage: tests/sanitize.sh [address|thread]...
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$PWD/tests/sanitizers
jobs=${JOBS:-$(nproc)}
threaded=(storage server/state server/scheduler server/api)
# Of worker/agent what does without LibTorch, whose threads are not built with the sanitizer.
agent=(agent_test failure_reason_test metered_task_runner_test)

configure() {
  [ -e "$1/build.ninja" ] || cmake -S . -B "$1" -G Ninja --log-level=WARNING -Wno-dev -DBESA_SANITIZE="$2"
}

address() {
  configure build-asan address,undefined
  ninja -C build-asan -j"$jobs" unit_tests
  ctest --test-dir build-asan --label-regex '^unit$' --output-on-failure --no-tests=error -j"$jobs"
}

thread() {
  configure build-tsan thread
  ninja -C build-tsan -j"$jobs" "${threaded[@]/%//all}" "${agent[@]}"
  local part
  for part in "${threaded[@]}"; do
    ctest --test-dir "build-tsan/$part" --output-on-failure --no-tests=error -j"$jobs"
  done
  local names
  names=$(IFS='|' && echo "${agent[*]}")
  ctest --test-dir build-tsan/worker/agent --tests-regex "^($names)\$" --output-on-failure --no-tests=error -j"$jobs"
}

export ASAN_OPTIONS="detect_stack_use_after_return=1:strict_string_checks=1:${ASAN_OPTIONS:-}"
export LSAN_OPTIONS="suppressions=$folder/leaks.txt:print_suppressions=0:${LSAN_OPTIONS:-}"
export UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1:suppressions=$folder/undefined.txt:${UBSAN_OPTIONS:-}"
# Libraries of other people are not instrumented: what they call (memmove, free) is not looked at.
export TSAN_OPTIONS="halt_on_error=1:ignore_noninstrumented_modules=1:second_deadlock_stack=1:suppressions=$folder/threads.txt:${TSAN_OPTIONS:-}"

[ $# -gt 0 ] || set -- address thread
for which in "$@"; do
  case $which in
    address | thread) "$which" ;;
    *) echo "sanitize.sh: '$which' is neither address nor thread" >&2; exit 2 ;;
  esac
done
