#!/usr/bin/env bash
# The whole service on this machine: a coordinator, two workers, one job on a real (small) model.
# Usage: deploy/demo.sh [build folder]. The last line printed is `output: <folder>`.
set -euo pipefail
cd "$(dirname "$0")/.."
build=${1:-build}
data=$PWD/tests/data
run=$PWD/.demo/$(date +%Y%m%d-%H%M%S)
mkdir -p "$run/logs"

pids=()
stop() {
  [ ${#pids[@]} -eq 0 ] || kill "${pids[@]}" 2>/dev/null || true
  wait
}
trap stop EXIT

note() { printf '\033[1m==> %s\033[0m\n' "$*"; }

note "coordinator (SQLite state, folder store) in $run"
"$build/server/besa-coordinator" --listen 127.0.0.1:0 --state "$run/state.sqlite" --workspace "$run/workspace" \
  --allow "$run" --allow "$data" >"$run/logs/coordinator.log" 2>&1 &
pids+=($!)

address=
for _ in $(seq 100); do
  address=$(sed -n 's/.*listening on \([0-9.:]*\).*/\1/p' "$run/logs/coordinator.log" | head -n 1)
  [ -z "$address" ] || break
  kill -0 "${pids[0]}" 2>/dev/null || { cat "$run/logs/coordinator.log" >&2; exit 1; }
  sleep 0.1
done
[ -n "$address" ] || { echo "the coordinator did not start; see $run/logs/coordinator.log" >&2; exit 1; }

note "two workers on the CPU, one thread each, at $address"
for number in 1 2; do
  "$build/worker/besa-worker" --coordinator "$address" --name "demo-$number" --device cpu --threads 1 \
    --allow "$run" --allow "$data" >"$run/logs/worker-$number.log" 2>&1 &
  pids+=($!)
done

note "besa prune --model books-llama-3m --sparsity 0.5 --watch"
"$build/client/besa" --server "$address" prune \
  --model "$data/books-llama-3m" --output "$run/books-llama-3m-besa50" --sparsity 0.5 \
  --calibration "$data/text/calibration.txt.xz" --samples 128 --sequence-length 256 \
  --evaluate "$data/text/held_out.txt.xz" --evaluate-windows 200 --evaluate-sequence-length 256 \
  --name demo --watch
