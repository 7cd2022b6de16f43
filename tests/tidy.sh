#!/usr/bin/env bash
# clang-tidy (.clang-tidy says which checks and why) over every C++ file of ours, or over those named.
# Usage: tests/tidy.sh [build folder [file...]]
set -euo pipefail
cd "$(dirname "$0")/.."
build=${1:-build}
shift || true
files=("$@")
[ ${#files[@]} -gt 0 ] || mapfile -t files < <(git ls-files '*.cc')

# -Wno-unknown-warning-option: the compile commands are GCC's.
printf '%s\0' "${files[@]}" |
  xargs -0 -n 1 -P "$(nproc)" .deps/venv/bin/clang-tidy -p "$build" --quiet --extra-arg=-Wno-unknown-warning-option
