#!/bin/sh
# Tests the Python client against standalone: types, style, tests, its README and its notebook. Needs
# python3 with venv. Standalone has to be built (cargo build -p standalone --bins), or STANDALONE says
# where it is.
set -eu
cd "$(dirname "$0")"
root=$(cd ../.. && pwd)
installed=$root/.cache/python-client

[ -x "$installed/bin/python" ] || python3 -m venv "$installed"
export PIP_DISABLE_PIP_VERSION_CHECK=1
"$installed/bin/pip" install --quiet hatchling
"$installed/bin/pip" install --quiet --no-build-isolation ".[test]" # needs no network the second time
PATH=$installed/bin:$PATH
ruff check --quiet .
ruff format --check --quiet .
mypy
STANDALONE=${STANDALONE:-$root/target/debug/standalone} python -m pytest --quiet "$@"
