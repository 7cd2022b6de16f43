#!/usr/bin/env bash
# Blocks on 1, 2, 4, ... GPUs of this machine, without recovery and with a pass of it: time of a block and of a step, the
# share of it that adding up over the ranks takes, and how many blocks of the independent schedule are done in an hour.
# The first line of each shape is one GPU without a group; behind it, so many workers with a GPU each that share nothing.
# "sharded": sharded sweeps, in which every rank prunes a block of its own; then what the cost model says of them.
# Usage: tests/bench/ranks.sh [besa-bench] [largest number of ranks] [arguments of besa-bench block ...]
set -uo pipefail
bench=${1:-build/worker/bench/besa-bench}
most=${2:-$(nvidia-smi --list-gpus | wc -l)}
shift $(($# < 2 ? $# : 2))

row() {
  local out=$1 label=$2
  printf '%-12s %-10s' "$shape" "$label"
  awk '/^a (block|sweep) / {printf " %s %7.3f s, device %7.3f s", $2, $3, $10}
       /^blocks an hour/ {printf "; %s blocks an hour", $4}
       / step / {printf "; %s step %.3f ms, all-reduce %s", $1, $3, $NF}
       /^peak memory/ {printf "; peak %s %s", $3, $4}
       /^final loss/ {printf "; loss %s", $3}
       /^the model says/ {says = $0}
       END {print ""; if (says != "") print "  " says}' <<<"$out"
}

for shape in llama-7b llama-2-70b; do
  for recovery in 0 1; do
    arguments=(block --shape "$shape" --blocks 4 --recovery "$recovery" "$@")
    [ "$recovery" = 0 ] || printf -- '-- with recovery\n'
    out=$("$bench" "${arguments[@]}") || exit 1
    row "$out" alone
    for ((workers = 2; workers <= most; workers *= 2)); do
      awk -v workers="$workers" -v shape="$shape" '/^blocks an hour/ {
        printf "%-12s %d workers of one GPU, walks not counted: %d blocks an hour\n", shape, workers, workers * $4}' <<<"$out"
    done
    for ((ranks = 1; ranks <= most; ranks *= 2)); do
      out=$("$bench" "${arguments[@]}" --ranks "$ranks") || exit 1
      row "$out" "$ranks ranks"
      [ "$ranks" -gt 1 ] || continue
      out=$("$bench" "${arguments[@]}" --ranks "$ranks" --sharded) || exit 1
      row "$out" "$ranks sharded"
    done
  done
done
