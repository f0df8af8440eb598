#!/bin/sh
# Runs the clients of other services against standalone, unchanged. Installs them below .cache; needs
# python3 with venv, and node with npm. Standalone has to be built (cargo build -p standalone --bins).
set -eu
cd "$(dirname "$0")/../.."
compat=$PWD/clients/compat
installed=$PWD/.cache/compat
mkdir -p "$installed"

[ -x "$installed/bin/python" ] || python3 -m venv "$installed"
"$installed/bin/pip" install --quiet --disable-pip-version-check -r "$compat/requirements.txt"
cp "$compat/package.json" "$compat/azure_javascript.mjs" "$installed/"
(cd "$installed" && npm install --silent --no-audit --no-fund --no-package-lock)

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

"$installed/bin/python" "$compat/azure_python.py" "http://127.0.0.1:$port"
(cd "$installed" && node azure_javascript.mjs "http://127.0.0.1:$port")
"$installed/bin/python" "$compat/triton_python.py" "http://127.0.0.1:$port"
echo "Microsoft's clients for Python (both) and JavaScript, and tritonclient, get what they need"
