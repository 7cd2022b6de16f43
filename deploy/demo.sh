#!/usr/bin/env bash
# The whole service on this machine: a coordinator, two workers, one job on a real (small) model.
# Usage: deploy/demo.sh [build folder]. The last line printed is `output: <folder>`.
# With STACK=1 Prometheus scrapes it, Grafana shows it where it is installed, and all go on running until Ctrl-C.
# With STORE=s3 everything lies in buckets of an S3 server that is started for it, and the folder is an address there.
set -euo pipefail
cd "$(dirname "$0")/.."
build=${1:-build}
store=${STORE:-folder}
stack=${STACK:-}
run=$PWD/.demo/$(date +%Y%m%d-%H%M%S)
mkdir -p "$run/logs"

pids=()
stop() {
  [ ${#pids[@]} -eq 0 ] || kill "${pids[@]}" 2>/dev/null || true
  wait
}
trap stop EXIT

note() { printf '\033[1m==> %s\033[0m\n' "$*"; }

# Prints what the first group of the pattern matches in the log of a program, once it is there.
said() {
  local pattern=$1 log=$2 pid=$3 found
  for _ in $(seq 100); do
    found=$(sed -n "s/.*$pattern.*/\1/p" "$log" | head -n 1)
    [ -z "$found" ] || { printf '%s\n' "$found"; return; }
    kill -0 "$pid" 2>/dev/null || { cat "$log" >&2; return 1; }
    sleep 0.1
  done
  echo "it did not start; see $log" >&2
  return 1
}

free_port() { /usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# A server over a folder: the buckets are the folders in it.
start_s3() {
  local server=.deps/bin/versitygw port
  [ -x "$server" ] || { echo "STORE=s3 needs $server, which cmake/setup.sh builds where there is Go 1.21 or newer" >&2; exit 1; }
  mkdir -p "$run/s3/models" "$run/s3/results"
  cp -r tests/data/books-llama-3m tests/data/text "$run/s3/models/"
  port=$(free_port)
  export AWS_ENDPOINT_URL=http://127.0.0.1:$port AWS_ACCESS_KEY_ID=demo AWS_SECRET_ACCESS_KEY=demo-secret
  note "S3 server (versitygw) at $AWS_ENDPOINT_URL, buckets in $run/s3"
  ROOT_ACCESS_KEY=$AWS_ACCESS_KEY_ID ROOT_SECRET_KEY=$AWS_SECRET_ACCESS_KEY \
    "$server" --port "127.0.0.1:$port" posix "$run/s3" >"$run/logs/s3.log" 2>&1 &
  pids+=($!)
  said "\(127.0.0.1:$port\)" "$run/logs/s3.log" "${pids[-1]}" >/dev/null
}

case $store in
  folder) inputs=$PWD/tests/data results=$run ;;
  s3) start_s3; inputs=s3://models results=s3://results ;;
  *) echo "STORE=$store is not valid; expected folder or s3" >&2; exit 2 ;;
esac

# Each process serves its metrics where Prometheus will look: at a port of its own.
metrics=()
serve_metrics() { [ -z "$stack" ] || metrics=(--metrics-listen 127.0.0.1:0); }
metrics_of() { said 'metrics at http:\/\/\([0-9.:]*\)\/metrics' "$run/logs/$1.log" "$2"; }

# Prometheus and Grafana on the files of deploy/, with the addresses of this run.
start_monitoring() {
  local port=$1 grafana
  cp -r deploy/prometheus "$run/prometheus"
  sed -i -E "s/(scrape_interval|evaluation_interval): 15s/\\1: 2s/; s/localhost:9090/127.0.0.1:$port/" "$run/prometheus/prometheus.yml"
  printf '[{"targets": ["%s"]}]\n' "$coordinator_metrics" >"$run/prometheus/targets/coordinators.json"
  printf '[{"targets": ["%s", "%s"]}]\n' "${worker_metrics[@]}" >"$run/prometheus/targets/workers.json"
  prometheus --config.file="$run/prometheus/prometheus.yml" --storage.tsdb.path="$run/prometheus/data" \
    --web.listen-address="127.0.0.1:$port" >"$run/logs/prometheus.log" 2>&1 &
  pids+=($!)
  note "Prometheus at http://127.0.0.1:$port (rules and alerts of deploy/prometheus)"
  grafana=$(command -v grafana-server || true)
  [ -n "$grafana" ] || { note "Grafana is not installed: its dashboards are in deploy/grafana/dashboards"; return 0; }
  BESA_PROMETHEUS_URL=http://127.0.0.1:$port BESA_DASHBOARDS=$PWD/deploy/grafana/dashboards \
    GF_PATHS_PROVISIONING=$PWD/deploy/grafana/provisioning GF_PATHS_DATA=$run/grafana GF_AUTH_ANONYMOUS_ENABLED=true \
    GF_SERVER_HTTP_ADDR=127.0.0.1 "$grafana" --homepath "${GRAFANA_HOME:-/usr/share/grafana}" >"$run/logs/grafana.log" 2>&1 &
  pids+=($!)
  note "Grafana at http://127.0.0.1:3000/dashboards"
}

serve_metrics
note "coordinator (SQLite state, store: $store) in $run"
"$build/server/besa-coordinator" --listen 127.0.0.1:0 --state "$run/state.sqlite" --workspace "$results/workspace" \
  --allow "$results" --allow "$inputs" "${metrics[@]}" >"$run/logs/coordinator.log" 2>&1 &
pids+=($!)
[ -z "$stack" ] || coordinator_metrics=$(metrics_of coordinator "${pids[-1]}")
address=$(said 'listening on \([0-9.:]*\)' "$run/logs/coordinator.log" "${pids[-1]}")

worker_metrics=()
note "two workers on the CPU, one thread each, at $address"
for number in 1 2; do
  "$build/worker/besa-worker" --coordinator "$address" --name "demo-$number" --device cpu --threads 1 \
    --allow "$results" --allow "$inputs" "${metrics[@]}" >"$run/logs/worker-$number.log" 2>&1 &
  pids+=($!)
  [ -z "$stack" ] || worker_metrics+=("$(metrics_of "worker-$number" "${pids[-1]}")")
done
[ -z "$stack" ] || start_monitoring "$(free_port)"

note "besa prune --model books-llama-3m --sparsity 0.5 --watch"
"$build/client/besa" --server "$address" prune \
  --model "$inputs/books-llama-3m" --output "$results/books-llama-3m-besa50" --sparsity 0.5 \
  --calibration "$inputs/text/calibration.txt.xz" --samples 128 --sequence-length 256 \
  --evaluate "$inputs/text/held_out.txt.xz" --evaluate-windows 200 --evaluate-sequence-length 256 \
  --name demo --watch
[ -z "$stack" ] || {
  note "$build/client/besa --server $address prune ... starts another job; Ctrl-C ends everything"
  wait
}
