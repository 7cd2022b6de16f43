#!/usr/bin/env bash
# Installs everything the build, the tests and the demo need, pinned by the lists in cmake/dependencies/.
#
# Python wheels go to one folder per list content, ${BESA_DEPS:-~/.cache/besa}/<hash>, shared by all clones;
# `.deps` in this clone links to it. Running again when nothing changed takes a moment.
set -euo pipefail
cd "$(dirname "$0")/.."

lists=cmake/dependencies
note() { printf '\033[1m==> %s\033[0m\n' "$*"; }

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

install_apt() {
  local -a wanted missing=()
  mapfile -t wanted < <(grep -vE '^\s*(#|$)' "$lists/apt.txt")
  local spec
  for spec in "${wanted[@]}"; do
    dpkg-query -W -f='${db:Status-Status}' "${spec%%=*}" 2>/dev/null | grep -qx installed || missing+=("$spec")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  note "Debian packages: ${missing[*]}"
  as_root apt-get update -q
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
}

install_python() {
  local hash prefix
  hash=$(sha256sum "$lists/python.txt" | cut -c1-12)
  prefix="${BESA_DEPS:-$HOME/.cache/besa}/$hash"
  if [ ! -e "$prefix/complete" ]; then
    note "Python wheels into $prefix (about 6 GB with the CUDA libraries)"
    rm -rf "$prefix"
    /usr/bin/python3 -m venv "$prefix/venv"
    "$prefix/venv/bin/pip" install --quiet --disable-pip-version-check --no-cache-dir --requirement "$lists/python.txt"
    link_cuda_names "$prefix/venv"
    touch "$prefix/complete"
  fi
  ln -sfn "$prefix" .deps
}

# Tools go beside the libraries; a change of their list leaves what is built alone.
install_python_tools() {
  local list=$lists/python-tools.txt marker
  marker=.deps/tools-$(sha256sum "$list" | cut -c1-12)
  [ ! -e "$marker" ] || return 0
  note "Python tools"
  .deps/venv/bin/pip install --quiet --disable-pip-version-check --no-cache-dir --requirement "$list" \
    --constraint "$lists/python.txt"
  touch "$marker"
}

# The wheels carry libfoo.so.13 in lib/, CMake's CUDA module looks for libfoo.so in lib64/.
link_cuda_names() {
  local cu library plain
  cu=$(echo "$1"/lib/python3*/site-packages/nvidia/cu13)
  for library in "$cu"/lib/lib*.so.*; do
    plain="${library%%.so.*}.so"
    [ -e "$plain" ] || ln -s "$(basename "$library")" "$plain"
  done
  [ -e "$cu/lib64" ] || ln -s lib "$cu/lib64"
  local arrow
  arrow=$(echo "$1"/lib/python3*/site-packages/pyarrow)
  for library in "$arrow"/lib*.so.*; do
    plain="${library%%.so.*}.so"
    [ -e "$plain" ] || ln -s "$(basename "$library")" "$plain"
  done
}

install_rust() {
  command -v cargo >/dev/null && return 0
  note "Rust toolchain (Debian's current backport; the plain package is too old for the tokenizers crate)"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends 'cargo-web=1.9*' 'rustc-web=1.9*'
}

# An S3 server for tests and the demo on S3 (nothing else needs it): built from source into the folder of the wheels.
# Debian 12's own Go (1.19) is too old. Without a newer one those tests are skipped, with a reason.
install_s3_server() {
  local marker program
  local -a programs
  marker=.deps/go-$(sha256sum "$lists/go.txt" | cut -c1-12)
  [ ! -e "$marker" ] || return 0
  find_go || { note "no Go 1.21 or newer: tests that need an S3 server will be skipped"; return 0; }
  mapfile -t programs < <(grep -vE '^\s*(#|$)' "$lists/go.txt")
  for program in "${programs[@]}"; do
    note "$program (about two minutes)"
    GOBIN=$(readlink -f .deps)/bin go install "$program" || { note "failed: its tests will be skipped"; return 0; }
  done
  touch "$marker"
}

# Leaves a Go that is new enough in PATH; newer versions that a program asks for it fetches itself.
find_go() {
  [ ! -d /usr/local/go/bin ] || PATH=$PATH:/usr/local/go/bin
  go_is_new_enough && return 0
  local candidate
  candidate=$(apt-cache policy golang-go | sed -n 's/.*Candidate: \(.*:\)\?\([0-9.]*\).*/\2/p')
  printf '1.21\n%s\n' "$candidate" | sort -CV || return 1
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends golang-go
  go_is_new_enough
}

go_is_new_enough() {
  command -v go >/dev/null && printf 'go1.21\n%s\n' "$(go env GOVERSION)" | sort -CV
}

# The chart library of report.html, with the checksums of its lock file.
install_npm() {
  local marker target
  marker=.deps/npm-$(cat "$lists"/npm/*.json | sha256sum | cut -c1-12)
  [ ! -e "$marker" ] || return 0
  command -v npm >/dev/null || as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends npm
  note "JavaScript packages"
  target=$(readlink -f .deps)/npm
  mkdir -p "$target"
  cp "$lists"/npm/*.json "$target"
  npm ci --prefix "$target" --ignore-scripts --silent --no-audit --no-fund
  touch "$marker"
}

install_apt
install_python
install_npm
install_python_tools
install_rust
install_s3_server
note "dependencies are in place"
