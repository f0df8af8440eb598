#!/usr/bin/env bash
# All benchmark figures of README.md and docs/benchmarks.md: benchmark/run.sh [seconds of Locust]
#
# Builds as for images, and starts Kafka, Postgres and Redis unless TEST_KAFKA_BROKERS,
# TEST_DATABASE_URL and TEST_REDIS_URL name running ones. Runs the saturation benchmark with its
# references, then the Locust profile against the bare handler, standalone and the distributed form.
# Results go to benchmark/results/. Needs wrk and python3; Locust goes into .cache/locust.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}
results=$PWD/benchmark/results
work=$(mktemp -d)
pids=()

cleanup() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
  [ -z "${own_servers:-}" ] || .ci/servers.sh stop
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

for tool in wrk python3; do
  command -v $tool >/dev/null || { echo "$tool is not installed" >&2; exit 1; }
done

if [ -z "${TEST_KAFKA_BROKERS:-}${TEST_DATABASE_URL:-}${TEST_REDIS_URL:-}" ]; then
  own_servers=1
  .ci/servers.sh install
  .ci/servers.sh start
  eval "$(.ci/servers.sh env)"
fi

python3 benchmark/saturation.py --out "$results" --rounds "${ROUNDS:-5}" --connections 16 64 256

venv=.cache/locust
[ -x $venv/bin/locust ] || { python3 -m venv $venv && $venv/bin/pip install --quiet locust; }

# $1: the name of the results; $2: where the gateway is. Counting starts once all users have
# spawned, because users that spawn together wait for each other in Locust's one process.
profile() {
  echo "locust: $1, $seconds s" >&2
  $venv/bin/locust -f benchmark/locustfile.py --headless --only-summary --reset-stats -t "${seconds}s" --host "$2" \
    --html "$results/locust-$1.html" --csv "$results/locust-$1" --csv-full-history 2>"$work/locust.log" >"$work/locust.out" \
    || { cat "$work/locust.log" "$work/locust.out" >&2; exit 1; }
  rm -f "$results/locust-$1_exceptions.csv" "$results/locust-$1_failures.csv"
}

start() {
  "$@" &
  pids+=($!)
}

# $1: its address; $2: the path to ask, if not /readyz.
wait_ready() {
  for _ in $(seq 300); do
    curl -fsS "$1${2:-/readyz}" >/dev/null 2>&1 && return 0
    sleep 0.1
  done
  echo "$1 is not ready" >&2
  exit 1
}

export LOG_LEVEL=warn ADMIN_PORT=0
APP_PORT=18207 start target/dist/bare
wait_ready http://127.0.0.1:18207 /livez
profile bare http://127.0.0.1:18207

APP_PORT=18206 DATA_DIR=$work/data start target/dist/standalone
wait_ready http://127.0.0.1:18206
profile standalone http://127.0.0.1:18206

database=locust_$$
psql -q "$TEST_DATABASE_URL" -c "create database $database"
export KAFKA_BROKERS=$TEST_KAFKA_BROKERS KAFKA_REPLICATION=1 KAFKA_TOPIC_PREFIX=$database. REDIS_URL=$TEST_REDIS_URL \
  REDIS_KEY_PREFIX=$database: DATABASE_URL=${TEST_DATABASE_URL%/*}/$database
target/dist/init
APP_PORT=18204 start target/dist/trainer
APP_PORT=18205 start target/dist/predictor
start target/dist/metrics-consumer
start target/dist/metrics-consumer
start target/dist/training-data-consumer
APP_PORT=18203 TRAINER_URL=http://127.0.0.1:18204 PREDICTOR_URL=http://127.0.0.1:18205 start target/dist/gateway
wait_ready http://127.0.0.1:18203
profile distributed http://127.0.0.1:18203

python3 benchmark/tables.py "$results"
echo "results are in benchmark/results/" >&2
