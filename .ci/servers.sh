#!/usr/bin/env bash
# Real Kafka, Postgres and Redis for the tests, each one node on loopback with its data in .cache/servers.
#
#   .ci/servers.sh install       fetch what is missing (Debian packages as root; Kafka's jars by Maven)
#   .ci/servers.sh start         start them and wait until they answer
#   .ci/servers.sh env           print the variables that the tests read
#   .ci/servers.sh stop          stop what start started, and remove their data
#
# To see what a platform does without them (NAME: kafka, postgres or redis; one or several; with
# KAFKA_TEST_NODES=3 also kafka2 and kafka3):
#   .ci/servers.sh halt NAME     end it as a crash would, and keep its data
#   .ci/servers.sh resume NAME   start it again on its data and wait until it answers
#   .ci/servers.sh freeze NAME   have it keep its connections and say nothing
#   .ci/servers.sh thaw NAME     have it go on
#   .ci/servers.sh publish TOPIC publish the lines of the input to a topic
#
# Each also answers as managed services do. Kafka by TLS with a user (SASL), Redis by TLS with a
# password, Postgres by TLS and behind PgBouncer in transaction mode. Certificates are made at start.
#
# Ports: KAFKA_TEST_PORT (28092; the next one is the controller's, and so on for further nodes; six
# higher for TLS), POSTGRES_TEST_PORT (25432; the next one is PgBouncer's), REDIS_TEST_PORT (26380;
# the next one is for TLS): below those that a system gives to outgoing connections.
# Data, logs and process ids: ANOMALY_SERVERS_DIR (.cache/servers), another for each set of servers.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
cache=$(dirname "$here")/.cache
state=${ANOMALY_SERVERS_DIR:-$cache/servers}
jars=$cache/kafka-libs
kafka_port=${KAFKA_TEST_PORT:-28092}
kafka_nodes=${KAFKA_TEST_NODES:-1}
postgres_port=${POSTGRES_TEST_PORT:-25432}
redis_port=${REDIS_TEST_PORT:-26380}

say() { printf 'servers: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# Debian keeps the server's programs out of PATH.
postgres_bin() {
  local found
  found=$(command -v initdb || ls -d /usr/lib/postgresql/*/bin/initdb 2>/dev/null | sort -V | tail -n 1)
  [ -n "$found" ] && dirname "$(readlink -f "$found")"
}

pgbouncer_bin() { PATH=$PATH:/usr/sbin command -v pgbouncer || true; }

install_packages() {
  local missing=()
  command -v java >/dev/null || missing+=(openjdk-17-jre-headless)
  { [ -d "$jars" ] || command -v mvn >/dev/null; } || missing+=(maven)
  [ -n "$(postgres_bin)" ] || missing+=(postgresql)
  command -v redis-server >/dev/null || missing+=(redis-server)
  command -v openssl >/dev/null || missing+=(openssl)
  [ -n "$(pgbouncer_bin)" ] || missing+=(pgbouncer)
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

# An authority, and a certificate of localhost (not of 127.0.0.1) that it signed; one more authority
# that signed nothing. Everybody may read the keys: they secure nothing.
make_certificates() {
  local tls=$state/tls
  mkdir -p "$tls"
  for authority in ca other-ca; do
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=$authority" \
      -keyout "$tls/$authority.key" -out "$tls/$authority.pem" 2>/dev/null
  done
  openssl req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout "$tls/server.key" -out "$tls/server.csr" 2>/dev/null
  openssl x509 -req -in "$tls/server.csr" -CA "$tls/ca.pem" -CAkey "$tls/ca.key" -CAcreateserial -days 2 \
    -extfile <(echo subjectAltName=DNS:localhost) -out "$tls/server.pem" 2>/dev/null
  # Kafka wants both in one file, and the key as PKCS #8, which it is.
  cat "$tls/server.key" "$tls/server.pem" >"$tls/both.pem"
  chmod 644 "$tls"/*
}

# For each server: prepare_… makes its data, once; run_… starts it on that; …_answers says whether it does.

java=(java -Xmx512m -XX:+UseSerialGC -XX:-UsePerfData "-Djava.io.tmpdir=$state" "-Dlog4j2.configurationFile=$here/kafka/log4j2.properties" -cp "$jars/*")

# The ports of node $1: for clients and, one higher, for controllers.
kafka_client_port() { echo $((kafka_port + 2 * ($1 - 1))); }
kafka_voters() { for node in $(seq "$kafka_nodes"); do printf '%s@127.0.0.1:%s,' "$node" $(($(kafka_client_port "$node") + 1)); done | sed 's/,$//'; }
# The file of node $1 with the extension $2: kafka.properties, kafka2.properties.
kafka_file() { echo "$state/kafka${1#1}$2"; }

prepare_kafka_node() {
  local config port
  config=$(kafka_file "$1" .properties) port=$(kafka_client_port "$1")
  [ -f "$jars/.complete" ] || die "Kafka is not there: .ci/servers.sh install"
  [ -s "$state/kafka.id" ] || "${java[@]}" kafka.tools.StorageTool random-uuid >"$state/kafka.id"
  cat >"$config" <<CONFIG
process.roles=broker,controller
node.id=$1
controller.quorum.voters=$(kafka_voters)
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$((port + 1)),SASL_SSL://127.0.0.1:$((port + 6))
advertised.listeners=PLAINTEXT://127.0.0.1:$port,SASL_SSL://localhost:$((port + 6))
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL
ssl.keystore.type=PEM
ssl.keystore.location=$state/tls/both.pem
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512
listener.name.sasl_ssl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_tester="tester-password";
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
log.dirs=$(kafka_file "$1" "")
offsets.topic.replication.factor=$kafka_nodes
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=$kafka_nodes
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=$kafka_nodes
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
# After a halt it gets its id back this soon.
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
auto.create.topics.enable=false
CONFIG
  "${java[@]}" kafka.tools.StorageTool format -t "$(cat "$state/kafka.id")" -c "$config" \
    --add-scram 'SCRAM-SHA-512=[name=tester,password=tester-password]' >/dev/null
}
prepare_kafka() { prepare_kafka_node 1; }
prepare_kafka2() { prepare_kafka_node 2; }
prepare_kafka3() { prepare_kafka_node 3; }
run_kafka() { launch kafka "${java[@]}" kafka.Kafka "$(kafka_file 1 .properties)"; }
run_kafka2() { launch kafka2 "${java[@]}" kafka.Kafka "$(kafka_file 2 .properties)"; }
run_kafka3() { launch kafka3 "${java[@]}" kafka.Kafka "$(kafka_file 3 .properties)"; }
kafka_answers() { port_open "$(kafka_client_port 1)"; }
kafka2_answers() { port_open "$(kafka_client_port 2)"; }
kafka3_answers() { port_open "$(kafka_client_port 3)"; }

# Postgres refuses to run as root, and its user may not be able to enter the folder of this
# checkout. Started by root, it runs from / and keeps its data in /tmp; $state/postgres is a link.
as_postgres=()
[ "$(id -u)" != 0 ] || as_postgres=(env --chdir=/ setpriv --reuid=postgres --regid=postgres --init-groups)

prepare_postgres() {
  if [ "$(id -u)" = 0 ]; then
    ln -s "$(mktemp -d /tmp/anomaly-postgres.XXXXXX)" "$state/postgres"
    chown postgres "$(postgres_data)"
  fi
  "${as_postgres[@]}" "$(postgres_bin)/initdb" -D "$(postgres_data)" -U postgres --auth=trust --encoding=UTF8 --no-sync >/dev/null
  # It wants a key that nobody else can read.
  install -m 600 "$state/tls/server.key" "$state/tls/server.pem" "$(postgres_data)"
  [ "$(id -u)" != 0 ] || chown postgres "$(postgres_data)"/server.*
}
postgres_data() { readlink -f "$state/postgres"; }
run_postgres() {
  launch postgres "${as_postgres[@]}" "$(postgres_bin)/postgres" -D "$(postgres_data)" -p "$postgres_port" \
    -c listen_addresses=127.0.0.1 -c "unix_socket_directories=" -c max_connections=300 -c fsync=off \
    -c ssl=on -c "ssl_cert_file=$(postgres_data)/server.pem" -c "ssl_key_file=$(postgres_data)/server.key"
}
postgres_answers() { psql "postgres://postgres@127.0.0.1:$postgres_port/postgres" -c 'select 1'; }

# Few connections for many clients, so that one is another's after each transaction.
prepare_pgbouncer() {
  cat >"$state/pgbouncer.ini" <<CONFIG
[databases]
* = host=127.0.0.1 port=$postgres_port user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $((postgres_port + 1))
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 2
CONFIG
  # Read before its folder is closed to another user.
  cp "$state/pgbouncer.ini" "$(postgres_data)/pgbouncer.ini"
  [ "$(id -u)" != 0 ] || chown postgres "$(postgres_data)/pgbouncer.ini"
}
run_pgbouncer() { launch pgbouncer "${as_postgres[@]}" "$(pgbouncer_bin)" "$(postgres_data)/pgbouncer.ini"; }
pgbouncer_answers() { psql "postgres://postgres@127.0.0.1:$((postgres_port + 1))/postgres" -c 'select 1'; }

prepare_redis() { mkdir -p "$state/redis"; }
run_redis() {
  launch redis redis-server --port "$redis_port" --bind 127.0.0.1 --dir "$state/redis" --save '' --appendonly yes \
    --tls-port "$((redis_port + 1))" --tls-auth-clients no --tls-ca-cert-file "$state/tls/ca.pem" \
    --tls-cert-file "$state/tls/server.pem" --tls-key-file "$state/tls/server.key" \
    --user tester on '>tester-password' '~*' '+@all'
}

redis_answers() { redis-cli -p "$redis_port" ping | grep -q PONG; }

servers=(redis postgres pgbouncer kafka)
for node in $(seq 2 "$kafka_nodes"); do servers+=("kafka$node"); done

start() {
  stop
  mkdir -p "$state"
  for port in $(seq "$kafka_port" "$((kafka_port + 2 * kafka_nodes - 1))") $(seq "$((kafka_port + 6))" 2 "$((kafka_port + 4 + 2 * kafka_nodes))") \
    "$postgres_port" "$((postgres_port + 1))" "$redis_port" "$((redis_port + 1))"; do
    ! port_open "$port" || die "port $port is taken"
  done
  make_certificates
  for name in "${servers[@]}"; do "prepare_$name"; done
  resume "${servers[@]}"
}

resume() {
  for name in "$@"; do "run_$name"; done
  for name in "$@"; do wait_for "$name" "${name}_answers"; done
}

# Sends the server $1 the signal $2, if it runs. A number of an earlier boot may be somebody else's by now.
signal() {
  local pid
  pid=$(cat "$state/$1.pid" 2>/dev/null) || return 1
  grep -qxE 'java|postgres|pgbouncer|redis-server' "/proc/$pid/comm" 2>/dev/null || return 1
  # Ended, and no one has asked how: a process whose last thread is gone.
  ! grep -q '^State:[[:space:]]*Z' "/proc/$pid/task/"*/status 2>/dev/null || [ "$(ls "/proc/$pid/task" | wc -l)" -gt 1 ] || return 1
  kill "-$2" "$pid" 2>/dev/null
}

# Waits until the server $1 is gone, for that many tenths of a second.
is_gone() {
  for _ in $(seq "$2"); do signal "$1" 0 || return 0; sleep 0.1; done
  return 1
}

halt() {
  for name in "$@"; do
    # Postgres ends its own processes at once then; a kill would leave them.
    case $name in postgres) signal "$name" QUIT || true ;; *) signal "$name" KILL || true ;; esac
    is_gone "$name" 100 || die "$name does not end"
  done
}

# Sends the signal $2 to the processes that the server $1 has started. Only Postgres has some.
signal_children() {
  local pid
  pid=$(cat "$state/$1.pid")
  for child in $(cat "/proc/$pid/task/$pid/children" 2>/dev/null); do kill "-$2" "$child" 2>/dev/null || true; done
}

freeze() { for name in "$@"; do signal "$name" STOP || die "$name does not run"; signal_children "$name" STOP; done; }
thaw() { for name in "$@"; do signal_children "$name" CONT; signal "$name" CONT || die "$name does not run"; done; }

stop() {
  for name in "${servers[@]}"; do
    signal "$name" CONT || continue
    signal_children "$name" CONT
    signal "$name" TERM || true
    is_gone "$name" 100 || signal "$name" KILL || true
  done
  [ ! -L "$state/postgres" ] || rm -rf "$(postgres_data)"
  rm -rf "$state"
}

# Whether "$@" are servers.
known() {
  [ $# -gt 0 ] || return 1
  for name in "$@"; do [[ " ${servers[*]} " == *" $name "* ]] || return 1; done
}

command=${1:-}
shift || true
case $command in
  install) install_packages; install_kafka ;;
  start | stop) "$command" ;;
  publish) "${java[@]}" -XX:TieredStopAtLevel=1 org.apache.kafka.tools.ConsoleProducer --bootstrap-server "127.0.0.1:$kafka_port" --topic "${1:?publish to which topic?}" ;;
  halt | resume | freeze | thaw) known "$@" || die "$command which? kafka, postgres, redis"; "$command" "$@" ;;
  env)
    echo "export TEST_KAFKA_BROKERS=$(for node in $(seq "$kafka_nodes"); do printf '127.0.0.1:%s,' "$(kafka_client_port "$node")"; done | sed 's/,$//')"
    echo "export TEST_DATABASE_URL=postgres://postgres@127.0.0.1:$postgres_port/postgres"
    echo "export TEST_REDIS_URL=redis://127.0.0.1:$redis_port/"
    echo "export TEST_KAFKA_SASL_BROKERS=localhost:$((kafka_port + 6))"
    echo "export TEST_PGBOUNCER_URL=postgres://postgres@127.0.0.1:$((postgres_port + 1))/postgres"
    echo "export TEST_REDIS_TLS_URL=rediss://tester:tester-password@localhost:$((redis_port + 1))/"
    echo "export TEST_TLS_FOLDER=$state/tls"
    ;;
  *) sed -n '2,23p' "$0"; exit 2 ;;
esac
