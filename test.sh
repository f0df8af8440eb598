#!/bin/sh
# Passes the tests: format, lints, licences, docs, every suite, instruction counts. Needs a Rust
# toolchain, a C compiler and make. It goes on after a failure, and lists all failures at its end.
#
# Suites over real servers run where TEST_KAFKA_BROKERS, TEST_DATABASE_URL or TEST_REDIS_URL say
# where one is (`.ci/servers.sh` starts all three), and are reported as skipped otherwise. With
# CI=true they are demanded: the servers are installed and started here, and stopped at the end.
# The suite over published series runs where TEST_LABELLED_SERIES says where they are. Instructions
# are counted where valgrind is. The Helm chart is checked where helm and kubeconform are, alerts are
# tried where Prometheus is. The dashboard is tested where node, npm and Chromium are; pictures of its
# pages are left in .cache/dashboard.
set -eu
cd "$(dirname "$0")"

notes=$(mktemp -d)
trap 'rm -rf "$notes"' EXIT
trap 'exit 1' INT TERM
: >"$notes/skipped" >"$notes/failed"

skip() { printf '  %s: %s\n' "$1" "$2" >>"$notes/skipped"; }

# Runs a command as the step $1. A failure is noted, with the suites and tests that failed.
step() {
  name=$1
  shift
  printf '\n== %s\n' "$name"
  { "$@" 2>&1 || printf '  %s: %s\n' "$name" "$*" >>"$notes/failed"; } | tee "$notes/output"
  sed -n -e 's/^test \(.*\) \.\.\. FAILED$/    \1/p' -e '/^    `-p /p' "$notes/output" >>"$notes/failed"
}

if [ "${CI:-}" = true ]; then
  trap '.ci/servers.sh stop; rm -rf "$notes"' EXIT
  step "real Kafka, Postgres and Redis" sh -c '.ci/servers.sh install && .ci/servers.sh start'
  [ -s "$notes/failed" ] || eval "$(.ci/servers.sh env)"
  if ! command -v cargo-deny >/dev/null && ! [ -x .cache/tools/bin/cargo-deny ]; then
    step "cargo-deny" cargo install --quiet --locked --root .cache/tools cargo-deny
  fi
  if ! command -v valgrind >/dev/null && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    printf '\n== valgrind\n'
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends valgrind >/dev/null || true # it is skipped by name then
  fi
fi
PATH="$PWD/.cache/tools/bin:$PATH"
if [ "${CI:-}" = true ] && command -v go >/dev/null && ! command -v helm >/dev/null; then
  printf '\n== helm and kubeconform\n'
  for module in helm.sh/helm/v3/cmd/helm@v3.22.0 github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0; do
    # The chart is skipped by name where this takes too long.
    GOBIN="$PWD/.cache/tools/bin" timeout 180 go install "$module" >/dev/null 2>&1 || true
  done
fi
if [ "${CI:-}" = true ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  missing=''
  command -v node >/dev/null || missing="$missing nodejs"
  command -v npm >/dev/null || missing="$missing npm"
  command -v chromium >/dev/null || missing="$missing chromium"
  command -v promtool >/dev/null || missing="$missing prometheus"
  if [ -n "$missing" ]; then
    printf '\n== browser and Prometheus\n'
    # shellcheck disable=SC2086 # several words
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null || true # it is skipped by name then
  fi
fi

step "format" cargo fmt --all --check
step "lints" cargo clippy --workspace --all-targets -- -D warnings
if command -v cargo-deny >/dev/null; then
  step "licences and sources" cargo deny --log-level error check bans licenses sources
  # Known vulnerabilities: their database has to be fetched.
  if cargo deny --log-level error fetch db >/dev/null 2>&1; then
    step "advisories" cargo deny --log-level error check advisories
  else
    skip "cargo deny check advisories" "the database of advisories cannot be reached"
  fi
else
  skip "cargo deny check bans licenses sources advisories" "cargo-deny is not installed"
fi
step "documentation" env RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --quiet
# Tests that kill a process start the real one.
step "binaries" cargo build --workspace --bins
step "tests" cargo test --workspace --no-fail-fast
if ! command -v node >/dev/null; then
  skip "dashboard" "node is not installed"
else
  step "files of points" node --test crates/dashboard/cases/
  if ! command -v npm >/dev/null || ! command -v chromium >/dev/null; then
    skip "dashboard in a browser" "npm or chromium is not installed"
  else
    step "dashboard in a browser" sh -c 'cd crates/dashboard/browser && npm ci --silent --no-audit --no-fund && npm run --silent format:check && node --test'
  fi
fi
if command -v helm >/dev/null && command -v kubeconform >/dev/null; then
  step "Helm chart" packaging/helm/check.sh
else
  skip "Helm chart" "helm or kubeconform is not installed"
fi
# Our own client for Python, with the libraries that it works with.
if [ "${CI:-}" = true ] || python3 -c 'import ensurepip' >/dev/null 2>&1; then
  step "client for Python" clients/python/run.sh
else
  skip "client for Python" "python3 with venv is not installed"
fi
# Alerts and the dashboard, by a real Prometheus.
if command -v promtool >/dev/null && command -v prometheus >/dev/null && command -v python3 >/dev/null; then
  step "alerts and dashboard" python3 .ci/monitoring.py
else
  skip "alerts and dashboard" "prometheus with promtool, or python3, is not installed"
fi
step "traces" cargo test -p testkit --features otlp --test traces
# Other people's clients, from their registries.
if [ "${CI:-}" = true ] || { python3 -c 'import ensurepip' && command -v npm; } >/dev/null 2>&1; then
  step "clients of other services" clients/compat/run.sh
else
  skip "clients of other services" "python3 with venv and npm are not installed"
fi
# Generated requests, held against the document of the API.
if [ "${CI:-}" = true ] || python3 -c 'import ensurepip' >/dev/null 2>&1; then
  step "document of the API" clients/schemathesis/run.sh
else
  skip "document of the API" "python3 with venv is not installed"
fi
if [ "$(uname -m)" != x86_64 ]; then
  skip "cost check" "instructions were counted on x86-64"
elif command -v valgrind >/dev/null; then
  step "instructions a point" cargo run --profile dist --quiet -p cost -- check
else
  skip "cost check" "valgrind is not installed"
fi

# Suites over real servers: all tests below a module of such a name. $1: module, the rest: the
# variables that say where its servers are.
modules=''
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
  modules="$modules $module::"
}
real kafka TEST_KAFKA_BROKERS
real postgres TEST_DATABASE_URL
real redis TEST_REDIS_URL
real managed TEST_KAFKA_SASL_BROKERS TEST_DATABASE_URL TEST_PGBOUNCER_URL TEST_REDIS_TLS_URL TEST_TLS_FOLDER
real labelled_series TEST_LABELLED_SERIES
real distributed TEST_KAFKA_BROKERS TEST_DATABASE_URL TEST_REDIS_URL
if [ -n "$modules" ]; then
  # shellcheck disable=SC2086 # several words
  step "tests over real servers" cargo test --workspace --tests --no-fail-fast -- --ignored $modules
fi

if [ "${modules%distributed::*}" != "$modules" ]; then
  # The programs once more, with what exports traces.
  step "programs with traces" cargo build --bins --features otlp
  step "traces through Kafka" cargo test -p testkit --features otlp --test traces -- --ignored distributed
fi

[ ! -s "$notes/skipped" ] || { printf '\nskipped:\n' && cat "$notes/skipped"; }
[ ! -s "$notes/failed" ] || { printf '\nfailed:\n' && cat "$notes/failed" && exit 1; }
printf '\nall tests passed\n'
