#!/usr/bin/env bash
# Builds the image holdfast-test/postgres from this machine's own PostgreSQL, without a registry: its programs, the
# libraries that they load, busybox, and an entrypoint that makes a cluster and serves it.
set -euo pipefail

image=holdfast-test/postgres:local
docker image inspect "$image" >/dev/null 2>&1 && exit 0
here=$(cd "$(dirname "$0")" && pwd)
binaries=${1:?the folder with the programs of PostgreSQL}
major=$(basename "$(dirname "$binaries")")
command -v busybox >/dev/null || apt-get install -y -qq --no-install-recommends busybox-static >/dev/null
busybox=$(command -v busybox)

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir -p "$root"/{bin,etc,tmp,proc,sys,dev,usr/bin,lib64,run/postgresql,var/lib/postgresql}
# The compiler for queries is a hundred megabytes that no test needs.
tar -C / --exclude='*/bitcode' --exclude='*llvmjit*' -c ".${binaries%/bin}" "./usr/share/postgresql/$major" ./usr/share/zoneinfo | tar -C "$root" -x
[ ! -e /usr/lib/locale/C.utf8 ] || tar -C / -c ./usr/lib/locale/C.utf8 | tar -C "$root" -x
cp -L "$busybox" "$root/bin/busybox"
for applet in $("$busybox" --list); do [ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"; done
{
  find "${binaries%/bin}" -type f ! -name '*llvmjit*' \( -perm /111 -o -name '*.so*' \) -exec ldd {} + 2>/dev/null | awk '/=> \//{ print $3 } $1 ~ /^\/lib/{ print $1 }' || true
  ls /lib/*-linux-gnu/libnss_{files,dns}*.so.2 2>/dev/null || true
} | sort -u | while read -r library; do
  case $library in "${binaries%/bin}"/*) continue ;; esac
  mkdir -p "$root$(dirname "$library")"
  cp -L "$library" "$root$(dirname "$library")/"
done
for program in postgres initdb pg_ctl psql pg_dump pg_dumpall pg_restore pg_isready; do ln -s "$binaries/$program" "$root/usr/bin/$program"; done
printf 'root:x:0:0:root:/root:/bin/sh\npostgres:x:999:999::/var/lib/postgresql:/bin/sh\n' >"$root/etc/passwd"
printf 'root:x:0:\npostgres:x:999:\n' >"$root/etc/group"
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
install -m 755 "$here/postgres-entrypoint.sh" "$root/usr/bin/postgres-entrypoint.sh"
chmod 1777 "$root/tmp"
# Not mktemp's own mode: Docker sets it right, other runtimes keep it, and then only root runs anything.
chmod 755 "$root"
chown -R 999:999 "$root/var/lib/postgresql" "$root/run/postgresql"
tar -C "$root" -c . | docker import --change 'ENTRYPOINT ["postgres-entrypoint.sh"]' --change 'ENV LANG=C.UTF-8 PATH=/usr/bin:/bin' - "$image" >/dev/null
