#!/usr/bin/env bash
# A block on 1, 2, 4, ... GPUs of this machine: time of a block and of a step, and the share of it that adding up over the
# ranks takes. The first line of each shape is one GPU without a group.
# Usage: tests/bench/ranks.sh [besa-bench] [largest number of ranks]
set -uo pipefail
bench=${1:-build/worker/bench/besa-bench}
most=${2:-$(nvidia-smi --list-gpus | wc -l)}

row() {
  local out=$1 label=$2
  printf '%-12s %-8s' "$shape" "$label"
  awk '/^a block/ {printf " block %7.3f s, device %7.3f s", $3, $10}
       / step / {printf "; %s step %.3f ms, all-reduce %s", $1, $3, $NF}
       /^peak memory/ {printf "; peak %s %s", $3, $4}
       /^final loss/ {printf "; loss %s", $3}
       END {print ""}' <<<"$out"
}

for shape in llama-7b llama-2-70b; do
  for recovery in 0 1; do
    arguments=(block --shape "$shape" --blocks 4 --recovery "$recovery")
    [ "$recovery" = 0 ] || printf -- '-- with recovery\n'
    if out=$("$bench" "${arguments[@]}"); then row "$out" alone; else exit 1; fi
    for ((ranks = 1; ranks <= most; ranks *= 2)); do
      if out=$("$bench" "${arguments[@]}" --ranks "$ranks"); then row "$out" "$ranks ranks"; else exit 1; fi
    done
  done
done
