#!/bin/sh
# Checks the files of a release: packaging/check.sh FOLDER
#
# The checksums are right; standalone out of the archive serves, judges and stops; what it is made of
# is listed. As root where debootstrap and its archive are, the package is installed into a fresh
# Debian, its service serves, its removal keeps the data and its purge leaves nothing. What cannot be
# checked here is named.
set -eu
out=$(cd "$1" && pwd)
work=$(mktemp -d)
pid=''
cleanup() {
  [ -z "$pid" ] || kill "$pid" 2>/dev/null || true
  rm -rf --one-file-system "$work"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

say() { printf '%-28s %s\n' "$1" "$2"; }
fail() { say "$1" "FAILED: $2" && exit 1; }
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# serves WHAT COMMAND…: the command starts standalone on $port; it gets ready, judges, and stops with 0.
serves() {
  what=$1
  shift
  "$@" 2>"$work/log" &
  pid=$!
  tries=0
  until curl -fs "http://127.0.0.1:$port/readyz" >/dev/null; do
    tries=$((tries + 1))
    [ "$tries" -lt 300 ] || fail "$what" "$(cat "$work/log")"
    sleep 0.1
  done
  curl -fs "http://127.0.0.1:$port/fit/s" -d '{"timestamps":[1,2,3,4],"values":[1,2,1,2]}' >/dev/null
  verdict=$(curl -fs "http://127.0.0.1:$port/predict/s" -d '{"timestamp":5,"value":900}')
  case $verdict in *'"anomaly":true'*) ;; *) fail "$what" "$verdict" ;; esac
  kill "$pid"
  wait "$pid" || fail "$what" "ended with status $?"
  pid=''
  say "$what" "serves, judges and stops"
}

(cd "$out" && sha256sum --check --quiet SHA256SUMS) || fail checksums "SHA256SUMS"
say checksums "right"

archive=$(find "$out" -name 'anomaly-*.tar.gz')
tar --extract --gzip --file "$archive" --directory "$work"
files=$(echo "$work"/anomaly-*)
for program in "$files"/bin/*; do
  "$program" --version >/dev/null || fail archive "$program"
  say "${program##*/}" "$(ldd "$program" 2>&1 | head -n 1 | sed 's/^[[:space:]]*//')"
done
parts=$(python3 -c 'import json, sys; print(len(json.load(open(sys.argv[1]))["components"]))' "$files/sbom.cdx.json")
say "components listed" "$parts"
port=$(free_port)
serves "standalone of the archive" env APP_PORT="$port" ADMIN_PORT="$(free_port)" \
  DATA_DIR="$work/data" "$files/bin/standalone"

package=$(find "$out" -name '*.deb')
[ -n "$package" ] || { say "Debian package" "skipped: there is none" && exit 0; }
if command -v lintian >/dev/null; then
  lintian --fail-on error,warning --suppress-tags bogus-mail-host,malformed-contact "$package" || fail lintian "$package"
  say lintian "no errors and no warnings"
else
  say lintian "skipped: it is not installed"
fi
if [ "$(id -u)" != 0 ] || ! command -v debootstrap >/dev/null; then
  say "installed package" "skipped: needs root and debootstrap"
  exit 0
fi
debian=$work/debian
debootstrap --variant=minbase --include=adduser,init-system-helpers stable "$debian" >"$work/debootstrap.log" 2>&1 || {
  say "installed package" "skipped: $(tail -n 1 "$work/debootstrap.log")"
  exit 0
}
in_debian() { chroot "$debian" "$@"; }
cp "$package" "$debian/anomaly.deb"
in_debian dpkg --install /anomaly.deb >/dev/null
[ "$(in_debian stat -c '%U:%G %a' /etc/anomaly/anomaly.env)" = 'root:anomaly 640' ] || fail "settings" "their owner"
# As the unit does: its user, its folder, its program.
in_debian install -d -o anomaly -g anomaly -m 700 /var/lib/anomaly
port=$(free_port)
serves "standalone of the package" chroot --userspec "$(in_debian id -u anomaly):$(in_debian id -g anomaly)" "$debian" \
  env APP_PORT="$port" ADMIN_PORT="$(free_port)" DATA_DIR=/var/lib/anomaly /usr/bin/anomaly-standalone
in_debian dpkg --remove anomaly >/dev/null
in_debian test -s /var/lib/anomaly/store.db || fail "removed package" "the data is gone"
in_debian dpkg --purge anomaly >/dev/null
for left in /var/lib/anomaly /etc/anomaly /usr/bin/anomaly-standalone; do
  ! in_debian test -e "$left" || fail "purged package" "$left is left"
done
! in_debian id anomaly >/dev/null 2>&1 || fail "purged package" "the user is left"
say "installed package" "removed with its data kept, purged without a trace"
