#!/usr/bin/env bash
# Real Kafka, Postgres and Redis for the tests, each one node on loopback with its data in .cache/servers.
#
#   .ci/servers.sh install   fetch what is missing (Debian packages as root; Kafka's jars by Maven)
#   .ci/servers.sh start     start them and wait until they answer
#   .ci/servers.sh env       print the variables that the tests read
#   .ci/servers.sh stop      stop what start started, and remove their data
#
# Ports: KAFKA_TEST_PORT (39092; the next one is the controller's), POSTGRES_TEST_PORT (35432), REDIS_TEST_PORT (36379).
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
cache=$(dirname "$here")/.cache
state=$cache/servers
jars=$cache/kafka-libs
kafka_port=${KAFKA_TEST_PORT:-39092}
postgres_port=${POSTGRES_TEST_PORT:-35432}
redis_port=${REDIS_TEST_PORT:-36379}

say() { printf 'servers: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# Debian keeps the server's programs out of PATH.
postgres_bin() {
  local found
  found=$(command -v initdb || ls -d /usr/lib/postgresql/*/bin/initdb 2>/dev/null | sort -V | tail -n 1)
  [ -n "$found" ] && dirname "$(readlink -f "$found")"
}

install_packages() {
  local missing=()
  command -v java >/dev/null || missing+=(openjdk-17-jre-headless)
  { [ -d "$jars" ] || command -v mvn >/dev/null; } || missing+=(maven)
  [ -n "$(postgres_bin)" ] || missing+=(postgresql)
  command -v redis-server >/dev/null || missing+=(redis-server)
  [ ${#missing[@]} -gt 0 ] || return 0
  { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; } || die "missing, and not root on Debian to install: ${missing[*]}"
  say "installing ${missing[*]}"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

install_kafka() {
  [ -f "$jars/.complete" ] && return 0
  say "fetching Kafka"
  mvn -q -B -f "$here/kafka/pom.xml" dependency:copy-dependencies -DoutputDirectory="$jars" -DincludeScope=runtime
  touch "$jars/.complete"
}

# Runs a command in the background as its own process group, and keeps its pid for stop.
launch() {
  local name=$1
  shift
  setsid "$@" >"$state/$name.log" 2>&1 </dev/null &
  echo $! >"$state/$name.pid"
}

wait_for() {
  local name=$1 tries=0
  shift
  until "$@" >/dev/null 2>&1; do
    tries=$((tries + 1))
    kill -0 "$(cat "$state/$name.pid")" 2>/dev/null || { cat "$state/$name.log" >&2; die "$name did not start"; }
    [ $tries -lt 600 ] || { cat "$state/$name.log" >&2; die "$name does not answer"; }
    sleep 0.1
  done
  say "$name answers"
}

port_open() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

start_kafka() {
  local config=$state/kafka.properties java=(java -Xmx512m -XX:+UseSerialGC "-Dlog4j2.configurationFile=$here/kafka/log4j2.properties" -cp "$jars/*")
  cat >"$config" <<CONFIG
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:$((kafka_port + 1))
listeners=PLAINTEXT://127.0.0.1:$kafka_port,CONTROLLER://127.0.0.1:$((kafka_port + 1))
advertised.listeners=PLAINTEXT://127.0.0.1:$kafka_port
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=$state/kafka
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
CONFIG
  "${java[@]}" kafka.tools.StorageTool format -t "$("${java[@]}" kafka.tools.StorageTool random-uuid)" -c "$config" --standalone >/dev/null
  launch kafka "${java[@]}" kafka.Kafka "$config"
}

start_postgres() {
  local bin data=$state/postgres as=()
  bin=$(postgres_bin)
  mkdir -p "$data"
  # The server refuses to run as root.
  if [ "$(id -u)" = 0 ]; then
    chmod 755 "$cache" "$state"
    chown postgres "$data"
    as=(setpriv --reuid=postgres --regid=postgres --init-groups)
  fi
  (cd / && "${as[@]}" "$bin/initdb" -D "$data" -U postgres --auth=trust --encoding=UTF8 --no-sync >/dev/null)
  launch postgres "${as[@]}" "$bin/postgres" -D "$data" -p "$postgres_port" -c listen_addresses=127.0.0.1 -c "unix_socket_directories=" \
    -c max_connections=300 -c fsync=off
}

start_redis() {
  mkdir -p "$state/redis"
  launch redis redis-server --port "$redis_port" --bind 127.0.0.1 --dir "$state/redis" --save '' --appendonly yes
}

redis_answers() { redis-cli -p "$redis_port" ping | grep -q PONG; }
postgres_answers() { psql "postgres://postgres@127.0.0.1:$postgres_port/postgres" -c 'select 1'; }
kafka_answers() { port_open "$kafka_port"; }

start() {
  stop
  mkdir -p "$state"
  for port in "$kafka_port" "$((kafka_port + 1))" "$postgres_port" "$redis_port"; do
    ! port_open "$port" || die "port $port is taken"
  done
  start_redis
  start_postgres
  start_kafka
  wait_for redis redis_answers
  wait_for postgres postgres_answers
  wait_for kafka kafka_answers
}

stop() {
  local pid
  for file in "$state"/*.pid; do
    [ -f "$file" ] || continue
    pid=$(cat "$file")
    # A number of an earlier boot may be somebody else's by now.
    grep -qxE 'java|postgres|redis-server' "/proc/$pid/comm" 2>/dev/null || continue
    kill "$pid" 2>/dev/null || true
    for _ in $(seq 100); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
    kill -9 "$pid" 2>/dev/null || true
  done
  rm -rf "$state"
}

case ${1:-} in
  install) install_packages; install_kafka ;;
  start) start ;;
  stop) stop ;;
  env)
    echo "export TEST_KAFKA_BROKERS=127.0.0.1:$kafka_port"
    echo "export TEST_DATABASE_URL=postgres://postgres@127.0.0.1:$postgres_port/postgres"
    echo "export TEST_REDIS_URL=redis://127.0.0.1:$redis_port/"
    ;;
  *) sed -n '2,9p' "$0"; exit 2 ;;
esac
