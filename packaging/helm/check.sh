#!/bin/sh
# Checks the chart: helm lint, the manifests of each file of cases/ against the schemas of the
# Kubernetes API (kubeconform), and what check.py asks of them. Needs helm, kubeconform, python3 with
# venv, and the programs in target/debug (cargo build --bins), which say what settings they know.
set -eu
cd "$(dirname "$0")/../.."
here=packaging/helm
installed=$PWD/.cache/helm

[ -x "$installed/bin/python" ] || python3 -m venv "$installed"
"$installed/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
exec "$installed/bin/python" "$here/check.py" "$installed/schemas"
