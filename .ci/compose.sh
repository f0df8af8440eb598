#!/usr/bin/env bash
# The distributed form as users start it, and what it has to stand: `docker compose up -d --build --wait`, then every
# container is confined as docker-compose.yml says, roles may do no more than their services need, and demo.sh passes, right
# after each Kafka node was killed, after Redis and after Postgres was restarted. Needs Docker with Compose and a free port
# 8080; removes its containers and volumes at the end. The lines of RUNBOOK.md's hardening are the same checks.
set -euo pipefail
cd "$(dirname "$0")/.."
out=$(mktemp -d)
export COMPOSE_PROJECT_NAME=anomaly-check
trap 'docker compose down -v --timeout 5 >/dev/null 2>&1; rm -rf "$out"' EXIT
trap 'exit 1' INT TERM

say() { printf '%-40s %s\n' "$1" "$2"; }
fail() { say "$1" "FAILED: $2"; exit 1; }

demo() {
  if OUT=$out ./demo.sh >"$out/demo.log" 2>&1; then
    say "$1" "$(tail -n 1 "$out/demo.log")"
  else
    cat "$out/demo.log"
    fail "$1" "demo.sh"
  fi
}

# refused WHAT MESSAGE COMMAND…: the command must end with that message.
refused() {
  local what=$1 message=$2
  shift 2
  "$@" >"$out/refused" 2>&1 || true
  grep -qi "$message" "$out/refused" || fail "$what" "$(cat "$out/refused")"
  say "$what" "refused"
}

# Every container: nothing writable but its volumes, no capability, no way to more rights, bounded, not root.
confined() {
  local format='{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}} {{.HostConfig.SecurityOpt}} {{.HostConfig.Privileged}} {{.HostConfig.Memory}} {{.HostConfig.PidsLimit}}'
  local id name
  for id in $(docker compose ps -aq); do
    name=$(docker inspect --format '{{.Name}}' "$id")
    docker inspect --format "$format" "$id" | grep -qE '^true \[ALL\] \[no-new-privileges:true\] false [1-9][0-9]* [1-9][0-9]*$' ||
      fail "confined: $name" "$(docker inspect --format "$format" "$id")"
    # `secrets` owns the folders that it fills, and has no network.
    [[ $name == *-secrets-* ]] || [[ $(docker inspect --format '{{.Config.User}}' "$id") =~ ^[^0] ]] || fail "user: $name" root
    ! docker inspect --format '{{join .Config.Env "\n"}}' "$id" | grep -E 'PASSWORD=.' || fail "password in the environment" "$name"
  done
  say "containers confined" "$(docker compose ps -aq | wc -l)"
  # All that is published, of all containers.
  local published
  published=$(docker compose ps --format '{{range .Publishers}}{{if .PublishedPort}}{{.URL}}:{{.PublishedPort}} {{end}}{{end}}' | tr -d '\n')
  [ "$published" = '127.0.0.1:8080 ' ] || fail "published" "$published"
  say "published" "$published"
  networks gateway edge inner
  networks observer data inner
  networks notifier data out
}

# networks SERVICE NAME…: it is in these networks, sorted by name, and no other.
networks() {
  local service=$1 found
  shift
  found=$(docker inspect --format '{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}' "$(docker compose ps -q "$service")")
  [ "$found" = "$(printf "${COMPOSE_PROJECT_NAME}_%s " "$@")" ] || fail "networks of the $service" "$found"
  say "networks of the $service" "$found"
}

least_rights() {
  local sql=(docker compose exec -T postgres psql -d anomaly -v ON_ERROR_STOP=1)
  refused "predictor's role deletes models" "permission denied" "${sql[@]}" -U anomaly_reader -c 'DELETE FROM models'
  refused "predictor's role reads points" "permission denied" "${sql[@]}" -U anomaly_reader -c 'SELECT 1 FROM training_data'
  refused "trainer's role drops a table" "must be owner" "${sql[@]}" -U anomaly_writer -c 'DROP TABLE models'
  refused "observer's role deletes models" "permission denied" "${sql[@]}" -U anomaly_observer -c 'DELETE FROM models'
  refused "notifier's role reads models" "permission denied" "${sql[@]}" -U anomaly_notifier -c 'SELECT 1 FROM models'
  refused "notifier's role deletes streams" "permission denied" "${sql[@]}" -U anomaly_notifier -c 'DELETE FROM stream_sessions'
  refused "Redis without a user" "NOAUTH" docker compose exec -T redis redis-cli keys '*'
  refused "Postgres without a password" "password" docker compose exec -T -e PGPASSWORD=anomaly postgres \
    psql -h postgres -U anomaly -d anomaly -c 'SELECT 1'
}

docker compose up -d --build --wait
confined
least_rights
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
# What it refuses to itself at its start is lost.
! docker compose logs redis | grep NOPERM || fail "Redis reads its log" "refused"
docker compose ps -a
