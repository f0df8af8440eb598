#!/bin/sh
# Passes the tests: format, lints, licences, docs, every suite, instruction counts. Needs a Rust toolchain, a C compiler and make.
#
# Suites over real servers run where TEST_KAFKA_BROKERS, TEST_DATABASE_URL or TEST_REDIS_URL say where one is
# (`.ci/servers.sh` starts all three), and are reported as skipped otherwise. With CI=true they are demanded: the servers are
# installed and started here, and stopped at the end. The suite over published series runs where TEST_LABELLED_SERIES says
# where they are. Instructions are counted where valgrind is.
set -eu
cd "$(dirname "$0")"

step() { printf '\n== %s\n' "$*"; }
skipped=''
skip() { skipped="$skipped
  $1: $2"; }

if [ "${CI:-}" = true ]; then
  step "real Kafka, Postgres and Redis"
  .ci/servers.sh install
  trap '.ci/servers.sh stop' EXIT
  trap 'exit 1' INT TERM
  .ci/servers.sh start
  eval "$(.ci/servers.sh env)"
  if ! command -v cargo-deny >/dev/null && ! [ -x .cache/tools/bin/cargo-deny ]; then
    step "cargo-deny"
    cargo install --quiet --locked --root .cache/tools cargo-deny
  fi
  if ! command -v valgrind >/dev/null && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    step "valgrind"
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends valgrind >/dev/null || true # it is skipped by name then
  fi
fi
PATH="$PWD/.cache/tools/bin:$PATH"

step "format"
cargo fmt --all --check

step "lints"
cargo clippy --workspace --all-targets -- -D warnings

step "licences and sources"
if command -v cargo-deny >/dev/null; then
  cargo deny --log-level error check bans licenses sources
else
  skip "cargo deny check bans licenses sources" "cargo-deny is not installed"
fi

step "documentation"
RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --quiet

step "binaries"
# Tests that kill a process start the real one.
cargo build --workspace --bins

step "tests"
cargo test --workspace

step "instructions a point"
if [ "$(uname -m)" != x86_64 ]; then
  skip "cost check" "instructions were counted on x86-64"
elif command -v valgrind >/dev/null; then
  cargo run --profile dist --quiet -p cost -- check
else
  skip "cost check" "valgrind is not installed"
fi

# A suite over real servers: all tests below a module of that name. $1: module, $2: what it needs, the rest: its variables.
real() {
  module=$1
  shift
  for variable in "$@"; do
    eval "value=\${$variable:-}"
    if [ -z "$value" ]; then
      skip "tests of module $module" "$variable is not set"
      return 0
    fi
  done
  step "tests over real servers: $module"
  cargo test --workspace -- --ignored "$module::"
}
real kafka TEST_KAFKA_BROKERS
real postgres TEST_DATABASE_URL
real redis TEST_REDIS_URL
real labelled_series TEST_LABELLED_SERIES
real distributed TEST_KAFKA_BROKERS TEST_DATABASE_URL TEST_REDIS_URL

if [ -n "$skipped" ]; then
  printf '\nskipped:%s\n' "$skipped"
fi
printf '\nall tests passed\n'
