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

install_apt
install_python
install_rust
note "dependencies are in place"
