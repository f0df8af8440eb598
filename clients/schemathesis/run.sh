#!/bin/sh
# Sends generated requests, valid ones and others, to standalone for two minutes: no reply may be a fault of
# the server, or one that /openapi.json does not describe. Installs schemathesis below .cache; needs python3
# with venv. Standalone has to be built (cargo build -p standalone --bins).
set -eu
cd "$(dirname "$0")/../.."
installed=$PWD/.cache/schemathesis
hooks=$PWD/clients/schemathesis
mkdir -p "$installed"

[ -x "$installed/bin/python" ] || python3 -m venv "$installed"
"$installed/bin/pip" install --quiet --disable-pip-version-check -r clients/schemathesis/requirements.txt

# A port that nobody listens on.
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
port=$(free_port)
data=$(mktemp -d)
APP_HOST=127.0.0.1 APP_PORT=$port ADMIN_PORT=$(free_port) DATA_DIR=$data/data target/debug/standalone 2>"$data/log" &
pid=$!
trap 'kill $pid 2>/dev/null; wait $pid 2>/dev/null || true; rm -rf "$data"' EXIT
tries=0
until curl -fs "http://127.0.0.1:$port/readyz" >/dev/null; do
  tries=$((tries + 1))
  [ "$tries" -lt 300 ] || { cat "$data/log" && exit 1; }
  sleep 0.1
done

# A stream of events ends after an hour, so that call is left out.
cd "$data"
SCHEMATHESIS_HOOKS=hooks PYTHONPATH=$hooks "$installed/bin/schemathesis" run "http://127.0.0.1:$port/openapi.json" \
  --checks not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,response_headers_conformance \
  --exclude-path /v1/events --phases examples,coverage,fuzzing --max-time "${SECONDS_OF_TEST:-120}" \
  --request-timeout 30 --suppress-health-check all --warnings off --no-color
