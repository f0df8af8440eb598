#!/usr/bin/env bash
# The distributed form as users start it, and what it has to stand: `docker compose up -d --build --wait`, then demo.sh passes,
# right after each Kafka node was killed, after Redis and after Postgres was restarted. Needs Docker with Compose and a free
# port 8080; removes its containers and volumes at the end.
set -euo pipefail
cd "$(dirname "$0")/.."
out=$(mktemp -d)
export COMPOSE_PROJECT_NAME=anomaly-check
trap 'docker compose down -v --timeout 5 >/dev/null 2>&1; rm -rf "$out"' EXIT
trap 'exit 1' INT TERM

demo() {
  if OUT=$out ./demo.sh >"$out/demo.log" 2>&1; then
    printf '%-28s %s\n' "$1" "$(tail -n 1 "$out/demo.log")"
  else
    cat "$out/demo.log"
    printf '%-28s failed\n' "$1"
    exit 1
  fi
}

docker compose up -d --build --wait
demo "fresh"
for node in kafka-1 kafka-2 kafka-3; do
  docker compose kill --signal KILL "$node"
  demo "$node killed"
  docker compose up -d --wait "$node"
done
for database in redis postgres; do
  docker compose restart "$database"
  demo "$database restarted"
done
docker compose ps -a
