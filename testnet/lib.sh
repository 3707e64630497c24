# shellcheck shell=bash
# What testnet/up, testnet/test and testnet/env share: the tools a build needs, and RocksDB compiled once.
# Sourced, never run. Messages go to standard error, so that results on standard output stay clean.

set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${BEACON_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/beacon}

say() { printf '%s\n' "$*" >&2; }
die() {
  printf 'error: %s\n' "$1" >&2
  shift
  [ $# -eq 0 ] || printf 'remedy: %s\n' "$*" >&2
  exit 1
}

# True when version $1 is at least version $2.
at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

# Of the wanted apt packages ($@), installs what is missing; without the right to, names the command to run.
install_packages() {
  [ $# -gt 0 ] || return 0
  command -v apt-get >/dev/null ||
    die "these are missing, and there is no apt-get here: $*" "install them with this system's package manager"
  local apt=(apt-get)
  if [ "$(id -u)" -ne 0 ]; then
    if sudo -n true 2>/dev/null; then
      apt=(sudo -n apt-get)
    else
      die "these packages are missing: $*" "run: sudo apt-get update && sudo apt-get install -y --no-install-recommends $*"
    fi
  fi
  say "installing $*"
  "${apt[@]}" update -qq >&2 || die "apt-get update failed" "look at the message above, then run this again"
  DEBIAN_FRONTEND=noninteractive "${apt[@]}" install -y -qq --no-install-recommends "$@" >&2 ||
    die "apt-get could not install $*" "look at the message above, then run this again"
}

libclang_library() {
  find -L ${LIBCLANG_PATH:+"$LIBCLANG_PATH"} /usr/lib /usr/lib64 /usr/local/lib /opt -maxdepth 4 \
    \( -name 'libclang.so*' -o -name 'libclang-[0-9]*.so*' \) -print -quit 2>/dev/null || true
}

libclang_headers() {
  find -L ${LIBCLANG_PATH:+"$LIBCLANG_PATH"} /usr/lib /usr/lib64 /usr/local/lib /opt -maxdepth 7 \
    -path '*clang*/include/stddef.h' -print -quit 2>/dev/null || true
}

# The newest libclang that apt offers together with its headers.
libclang_packages() {
  local version
  for version in $(apt-cache search --names-only '^libclang-common-[0-9]+-dev$' 2>/dev/null |
    sed -E 's/^libclang-common-([0-9]+)-dev .*/\1/' | sort -rn) 14; do
    if [ "$version" = 14 ] || apt-cache show "libclang1-$version" >/dev/null 2>&1; then
      echo "libclang1-$version libclang-common-$version-dev"
      return
    fi
  done
}

# A C++ compiler and libclang with its headers (RocksDB and its bindings), curl (rustup).
need_system() {
  local missing=()
  command -v g++ >/dev/null || missing+=(g++)
  command -v curl >/dev/null || missing+=(curl ca-certificates)
  if [ -z "$(libclang_library)" ] || [ -z "$(libclang_headers)" ]; then
    local pair
    read -ra pair <<<"$(libclang_packages)"
    missing+=("${pair[@]}")
  fi
  install_packages ${missing[@]+"${missing[@]}"}
}

wanted_rust() { sed -n 's/^rust-version = "\(.*\)"/\1/p' "$root/Cargo.toml"; }

# The version of the rustc that cargo would use here, or nothing.
found_rust() { (cd "$root" && rustc --version 2>/dev/null | awk '{print $2}' | sed 's/-.*//') || true; }

# Rust of at least the workspace's rust-version: the one that is there, else one from rustup for this user.
need_rust() {
  local wanted found
  wanted=$(wanted_rust)
  [ ! -d "$HOME/.cargo/bin" ] || PATH="$PATH:$HOME/.cargo/bin"
  found=$(found_rust)
  if [ -z "$found" ] || ! at_least "$found" "$wanted"; then
    say "rustc ${found:-(none)} is here, $wanted or newer is needed: installing the stable toolchain with rustup for $(id -un)"
    if command -v rustup >/dev/null; then
      rustup toolchain install stable --profile minimal --component rustfmt,clippy >&2 ||
        die "rustup could not install the stable toolchain" "look at the message above"
    else
      curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs |
        sh -s -- -y --no-modify-path --profile minimal --component rustfmt,clippy >&2 ||
        die "rustup could not be installed" "install Rust $wanted or newer: https://rustup.rs"
    fi
    PATH="$HOME/.cargo/bin:$PATH"
    export RUSTUP_TOOLCHAIN=stable
    found=$(found_rust)
    at_least "${found:-0}" "$wanted" || die "rustc is still ${found:-missing}" "install Rust $wanted or newer: https://rustup.rs"
  fi
  export PATH
}

rocksdb_version() {
  awk '/^name = "librocksdb-sys"$/ { getline; gsub(/"/, "", $3); print $3 }' "$root/Cargo.lock"
}

rocksdb_dir() { echo "$cache/rocksdb-$(rocksdb_version)-$(uname -m)"; }

# Says how many of RocksDB's files are compiled ($1: build directory), as long as process $2 lives.
rocksdb_progress() {
  local started=$SECONDS shown=-1 done_files total
  while kill -0 "$2" 2>/dev/null; do
    total=$(find "${CARGO_HOME:-$HOME/.cargo}/registry/src" -path "*librocksdb-sys-$(rocksdb_version)/rocksdb_lib_sources.txt" \
      -exec grep -c '\.cc' {} + 2>/dev/null | head -n 1 || true)
    done_files=$(find "$1" -path '*librocksdb-sys-*/out/*.o' 2>/dev/null | wc -l || true)
    if [ -t 2 ]; then
      printf '\r  RocksDB: %s of about %s files, %s s ' "$done_files" "${total:-340}" $((SECONDS - started)) >&2
    elif [ $((SECONDS / 30)) -ne "$shown" ]; then
      shown=$((SECONDS / 30))
      say "  RocksDB: $done_files of about ${total:-340} files, $((SECONDS - started)) s"
    fi
    sleep 1
  done
  [ ! -t 2 ] || printf '\n' >&2
}

# Compiles RocksDB in a target directory of its own and puts the archive into the cache, whole or not at all.
rocksdb_build() {
  local dir=$1 build=$1.build log=$1.build/cargo.log pid built
  say "The first build is long: RocksDB is compiled once (about 10 minutes on 2 cores) and kept in $dir"
  mkdir -p "$build"
  (cd "$root" && env -u ROCKSDB_LIB_DIR -u ROCKSDB_STATIC CARGO_TARGET_DIR="$build" \
    cargo build --quiet --locked --color never -p librocksdb-sys) >"$log" 2>&1 &
  pid=$!
  # An interrupted build must not go on unseen.
  trap 'kill "$pid" 2>/dev/null; exit 130' INT TERM
  rocksdb_progress "$build" "$pid"
  if ! wait "$pid"; then
    tail -n 30 "$log" >&2
    die "RocksDB could not be compiled" "the whole log is $log"
  fi
  trap - INT TERM
  built=$(find "$build" -path '*librocksdb-sys-*/out/librocksdb.a' -print -quit)
  [ -n "$built" ] || die "the build left no librocksdb.a below $build" "look at $log"
  mkdir -p "$dir"
  cp "$built" "$dir/librocksdb.a.$$"
  mv "$dir/librocksdb.a.$$" "$dir/librocksdb.a"
  rm -rf "$build"
}

# Exports what makes every build link the cached RocksDB. One process at a time fills the cache.
need_rocksdb() {
  local dir
  dir=$(rocksdb_dir)
  if [ ! -f "$dir/librocksdb.a" ]; then
    mkdir -p "$cache"
    exec 9>"$dir.lock"
    flock 9
    [ -f "$dir/librocksdb.a" ] || rocksdb_build "$dir"
    exec 9>&-
  fi
  export ROCKSDB_LIB_DIR=$dir ROCKSDB_STATIC=1
}

# Everything a build needs. What is there already is not looked at twice within one call chain.
prepare() {
  need_system
  need_rust
  need_rocksdb
}

# Where cargo puts what it builds.
target_dir() {
  (cd "$root" && cargo metadata --format-version 1 --no-deps --locked | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
}
