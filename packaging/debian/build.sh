#!/bin/sh
# Makes the Debian package from the files of a release; packaging/release.sh calls it.
#
#   build.sh FILES VERSION TARGET FOLDER
set -eu
here=$(cd "$(dirname "$0")" && pwd)
files=$1 version=$2 target=$3 out=$4
maintainer=${MAINTAINER:-The maintainers <anomaly@example.invalid>}
case $target in
  x86_64-*) architecture=amd64 ;;
  aarch64-*) architecture=arm64 ;;
  *) echo "no Debian package for $target" >&2 && exit 0 ;;
esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
mkdir "$root"

# put MODE FILE PATH
put() { install -D -m "$1" "$2" "$root/$3"; }
# packed FILE PATH
packed() {
  mkdir -p "$root/$(dirname "$2")"
  gzip -9 --no-name <"$1" >"$root/$2.gz"
}

put 755 "$files/bin/standalone" usr/bin/anomaly-standalone
put 755 "$files/bin/anomaly" usr/bin/anomaly
put 644 "$files/share/systemd/anomaly.service" usr/lib/systemd/system/anomaly.service
put 644 "$here/anomaly.env" etc/anomaly/anomaly.env
put 644 "$files/share/completions/anomaly.bash" usr/share/bash-completion/completions/anomaly
put 644 "$files/share/completions/anomaly.zsh" usr/share/zsh/vendor-completions/_anomaly
put 644 "$files/share/completions/anomaly.fish" usr/share/fish/vendor_completions.d/anomaly.fish
put 644 "$here/lintian-overrides" usr/share/lintian/overrides/anomaly
for page in "$files"/share/man/man1/*.1; do
  packed "$page" "usr/share/man/man1/${page##*/}"
done
packed "$files/CHANGELOG.md" usr/share/doc/anomaly/NEWS
{
  printf 'anomaly (%s) unstable; urgency=medium\n\n  * Version %s: see NEWS.gz.\n\n' "$version" "$version"
  printf ' -- %s  %s\n' "$maintainer" "$(date -u -R -d "@$SOURCE_DATE_EPOCH")"
} >"$work/changelog"
packed "$work/changelog" usr/share/doc/anomaly/changelog
packed "$files/.env.example" usr/share/doc/anomaly/env.example
"$here/../dependencies.py" "$target" "$work/sbom" "$work/licences" standalone cli
packed "$work/sbom" usr/share/doc/anomaly/sbom.cdx.json
packed "$work/licences" usr/share/doc/anomaly/licences-of-dependencies
put 644 "$files/LICENSE" usr/share/doc/anomaly/copyright
find "$root" -type d -exec chmod 755 {} +

mkdir "$root/DEBIAN"
for script in postinst prerm postrm; do
  put 755 "$here/$script" "DEBIAN/$script"
done
echo /etc/anomaly/anomaly.env >"$root/DEBIAN/conffiles"
(cd "$root" && find etc usr -type f -print0 | sort -z | xargs -0 md5sum >DEBIAN/md5sums)
size=$(du -k --apparent-size --summarize "$root" | cut -f 1)
sed -e "s/@VERSION@/$version/" -e "s/@ARCHITECTURE@/$architecture/" -e "s/@SIZE@/$size/" \
  -e "s/@MAINTAINER@/$maintainer/" "$here/control" >"$root/DEBIAN/control"
chmod 644 "$root"/DEBIAN/conffiles "$root"/DEBIAN/md5sums "$root"/DEBIAN/control
dpkg-deb --root-owner-group -Zxz --build "$root" "$out/anomaly_${version}_$architecture.deb" >/dev/null
