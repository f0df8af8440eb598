#!/bin/sh
# Makes the files of a release: an archive of all programs, a Debian package where dpkg-deb is, the
# list of what they are made of (CycloneDX), and checksums.
#
#   packaging/release.sh [FOLDER]      target/release-files by default; what is in it is replaced
#
# TARGET       what to build for, this machine by default. Its programs must run here: the command
#              line writes its completions and manual pages itself
# LINK=dynamic links to the C library of this machine; otherwise the programs link to nothing
# MAINTAINER   `Name <address>` of the Debian package
#
# The same checkout at the same path gives the same bytes with the same compilers: times are those of
# the last commit, or SOURCE_DATE_EPOCH. Needs Rust, a C compiler, make, perl, python3 and git.
set -eu
cd "$(dirname "$0")/.."
root=$PWD
out=${1:-target/release-files}
target=${TARGET:-$(rustc -vV | sed -n 's/^host: //p')}
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH LC_ALL=C TZ=UTC
umask 022
services='gateway trainer predictor observer notifier metrics-consumer training-data-consumer init'

# No path of this machine in a program.
cargo_home=${CARGO_HOME:-$HOME/.cargo}
RUSTFLAGS="--remap-path-prefix=$root=/src --remap-path-prefix=$cargo_home=/cargo"
CFLAGS="${CFLAGS:-} -ffile-prefix-map=$root=/src -ffile-prefix-map=$cargo_home=/cargo"
[ "${LINK:-static}" = dynamic ] || RUSTFLAGS="$RUSTFLAGS -C target-feature=+crt-static"
export RUSTFLAGS CFLAGS OPENSSL_SRC_PERL="$root/packaging/perl-for-openssl.sh"
programs=${CARGO_TARGET_DIR:-target}/$target/dist

name=anomaly-$version-$target
mkdir -p "$out"
rm -rf "${out:?}"/*
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
files=$work/$name

mkdir -p "$files/bin" "$files/share/man/man1" "$files/share/completions" "$files/share/systemd"
# build PACKAGE…
build() {
  # shellcheck disable=SC2046 # several words
  cargo build --profile dist --locked --target "$target" --bins $(printf -- '--package %s ' "$@")
}
# By themselves: beside the services they would be built with clients of Kafka and Redis.
build standalone cli
install -m 755 "$programs/standalone" "$programs/anomaly" "$files/bin/"
# shellcheck disable=SC2086 # several words
build $services
for program in $services; do
  install -m 755 "$programs/$program" "$files/bin/"
done
grep -q 'define OPENSSL_THREADS' "$programs"/build/openssl-sys-*/out/openssl-build/install/include/openssl/configuration.h || {
  echo "OpenSSL was built without threads: see packaging/perl-for-openssl.sh" >&2
  exit 1
}
"$files/bin/anomaly" man "$files/share/man/man1"
for shell in bash zsh fish powershell; do
  "$files/bin/anomaly" completions "$shell" >"$files/share/completions/anomaly.$shell"
done
install -m 644 packaging/systemd/anomaly.service "$files/share/systemd/"
install -m 644 README.md CHANGELOG.md LICENSE .env.example "$files/"
# shellcheck disable=SC2086 # several words
packaging/dependencies.py "$target" "$files/sbom.cdx.json" "$files/LICENCES-OF-DEPENDENCIES" standalone cli $services

tar --create --directory "$work" --format ustar --sort name --mtime "@$SOURCE_DATE_EPOCH" \
  --owner 0 --group 0 --numeric-owner "$name" | gzip -9 --no-name >"$out/$name.tar.gz"
cp "$files/sbom.cdx.json" "$out/$name.sbom.cdx.json"
if command -v dpkg-deb >/dev/null; then
  packaging/debian/build.sh "$files" "$version" "$target" "$out"
else
  echo "no Debian package: dpkg-deb is not installed" >&2
fi
(cd "$out" && sha256sum -- * >"$work/sums" && mv "$work/sums" SHA256SUMS)
ls -l "$out"
