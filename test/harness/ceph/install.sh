#!/bin/bash
# Unpacks a Ceph (mon, osd, RADOS gateway) from Debian's packages into a cache folder; installs nothing on the machine
# but mmdebstrap. Usage: install.sh [FOLDER]. Quick when it is there already; one line of stderr when it cannot be had.
set -euo pipefail

suite=${HOLDFAST_TEST_CEPH_SUITE:-trixie}
target=${1:-${HOLDFAST_TEST_CACHE:-/var/cache/holdfast}/ceph}
fail() { echo "no Ceph: $*" >&2; exit 1; }

[ -x "$target/bin/radosgw" ] && exit 0
[ "$(id -u)" = 0 ] || fail "unpacking it into $target needs root"
[ "$(uname -m)" = x86_64 ] || fail "the wrappers know x86_64 only, this is $(uname -m)"
command -v apt-get >/dev/null || fail "this machine has no apt-get"
command -v mmdebstrap >/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends mmdebstrap; } >/dev/null 2>&1 \
  || fail "apt-get could not install mmdebstrap"

# The mirror that this machine's apt uses for Debian itself, in either of its two formats.
mirror=$(awk '/^URIs:/ {print $2; exit}' /etc/apt/sources.list.d/debian.sources 2>/dev/null || true)
[ -n "$mirror" ] || mirror=$(awk '$1 == "deb" {for (i = 2; i <= NF; i++) if ($i ~ /^https?:/) {print $i; exit}}' /etc/apt/sources.list 2>/dev/null || true)
[ -n "$mirror" ] || fail "apt's sources name no Debian mirror"

# Another run may be at it: unpack beside, then rename.
mkdir -p "$(dirname "$target")"
exec 9>"$target.lock"
flock 9
[ -x "$target/bin/radosgw" ] && exit 0
unpacked=$(mktemp -d "$target.XXXXXX")
trap 'rm -rf "$unpacked"' EXIT
chmod 755 "$unpacked"
mmdebstrap --quiet --variant=extract --include=ceph-mon,ceph-osd,radosgw,ceph-common \
  --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Check-Valid-Until "false"' \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
  "$suite" "$unpacked" "$mirror" >"$target.log" 2>&1 || fail "unpacking $suite from $mirror failed, see $target.log"

# The programs run on their own C library, found from where the wrapper lies.
mkdir "$unpacked/bin"
for program in ceph-mon ceph-osd radosgw radosgw-admin monmaptool; do
  cat >"$unpacked/bin/$program" <<'WRAPPER'
#!/bin/sh
root=$(cd "$(dirname "$0")/.." && pwd)
libraries=$root/usr/lib/x86_64-linux-gnu
exec "$libraries/ld-linux-x86-64.so.2" --library-path "$libraries:$libraries/ceph" "$root/usr/bin/${0##*/}" "$@"
WRAPPER
done
cat >"$unpacked/bin/ceph" <<'WRAPPER'
#!/bin/sh
root=$(cd "$(dirname "$0")/.." && pwd)
libraries=$root/usr/lib/x86_64-linux-gnu
export PYTHONHOME="$root/usr" PYTHONDONTWRITEBYTECODE=1
exec "$libraries/ld-linux-x86-64.so.2" --library-path "$libraries:$libraries/ceph" "$root/usr/bin/python3" "$root/usr/bin/ceph" "$@"
WRAPPER
chmod +x "$unpacked"/bin/*
"$unpacked/bin/radosgw" --version >>"$target.log" 2>&1 || fail "the unpacked radosgw does not run here, see $target.log"
rm -rf "$target"
mv "$unpacked" "$target"
trap - EXIT
