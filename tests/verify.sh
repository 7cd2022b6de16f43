#!/usr/bin/env bash
# Formats and lints, each tool pinned in cmake/dependencies/. Prints what is wrong and fails; changes nothing.
# Usage: tests/verify.sh [build folder]
# shellcheck disable=SC2317  # the checks are called by name, which shellcheck cannot see
set -uo pipefail
cd "$(dirname "$0")/.." || exit
build=${1:-build}
bin=.deps/venv/bin
failed=0

check() {
  local title=$1
  shift
  if "$@"; then printf 'ok    %s\n' "$title"; else printf 'FAIL  %s\n' "$title"; failed=1; fi
}

mapfile -t cpp < <(git ls-files '*.h' '*.cc' '*.cu' '*.cuh')
mapfile -t shell < <(git ls-files '*.sh' .ci/run)

lint_protos() {
  local googleapis
  googleapis=$(echo .deps/venv/lib/python3*/site-packages)
  protoc -I proto -I "$googleapis" --include_imports --include_source_info -o "$build/besa.binpb" proto/besa/v1/*.proto &&
    "$bin"/buf lint "$build/besa.binpb" --config proto/buf.yaml --path besa/v1
}

# LibTorch carries an old protobuf in its include folder; the two must never meet in one translation unit.
torch_and_protobuf_apart() {
  local both
  both=$(grep -lE '#include [<"](torch|ATen|c10)/' "${cpp[@]}" | xargs -r grep -lE '#include [<"](grpc|google/protobuf|besa/v1)')
  [ -z "$both" ] || { printf '%s\n' "$both"; return 1; }
}

includes_nothing_of() {
  local folder=$1 others=$2
  ! printf '%s\n' "${cpp[@]}" | grep "^$folder/" | xargs -r grep -nE "#include \"($others)/"
}

server_and_worker_apart() {
  includes_nothing_of server 'worker|client' && includes_nothing_of worker 'server|client' &&
    includes_nothing_of client 'server|worker' && includes_nothing_of storage 'server|worker|client|proto|besa|telemetry|report|cost' &&
    includes_nothing_of telemetry 'server|worker|client|proto|besa|report|cost' &&
    includes_nothing_of report 'server|worker|client|cost' && includes_nothing_of cost 'server|worker|client|telemetry|report'
}

check 'clang-format' "$bin"/clang-format --dry-run -Werror "${cpp[@]}"
check 'buf lint' lint_protos
check 'shellcheck' shellcheck "${shell[@]}"
check 'ruff check' "$bin"/ruff check --no-cache --quiet --config tests/ruff.toml tests deploy
check 'ruff format' "$bin"/ruff format --no-cache --quiet --config tests/ruff.toml --check tests deploy
check 'links of the docs lead somewhere' "$bin"/python tests/doc_links.py
check 'LibTorch and protobuf in separate files' torch_and_protobuf_apart
check 'server and worker know nothing of each other' server_and_worker_apart
exit $failed
