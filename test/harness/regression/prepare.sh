#!/bin/bash
# Makes PostgreSQL's own regression database: its source tests, run once against a throwaway server of this machine's
# version, and the data directory they leave behind, archived. Usage: prepare.sh FOLDER_OF_SERVER_PROGRAMS
# Prints the folder that then holds cluster.tar.zst, lib/ and tests.txt. Quick when it is there already; installs nothing
# but a compiler; one line of stderr when it cannot be had.
set -euo pipefail

binaries=${1:?the folder of initdb}
fail() { echo "no regression database: $*" >&2; exit 1; }

major=$("$binaries/postgres" --version | sed -E 's/.* ([0-9]+).*/\1/')
[ "$major" -ge 15 ] || fail "the tests of PostgreSQL $major need another way of running"
command -v dpkg-query >/dev/null && command -v apt-get >/dev/null || fail "the sources come from Debian's archive, and this machine has no apt-get"
version=$(dpkg-query -W -f '${Version}' "postgresql-$major" 2>/dev/null) || fail "no package postgresql-$major, so no sources that fit $binaries"
regress=$binaries/../lib/pgxs/src/test/regress/pg_regress
[ -x "$regress" ] || fail "no pg_regress beside $binaries"

# Bump the recipe's number when what this script leaves changes.
target=${HOLDFAST_TEST_CACHE:-/var/cache/holdfast}/regression/$version.1
done_already() { if [ -f "$target/tests.txt" ]; then echo "$target"; exit 0; fi; }
done_already
mkdir -p "$(dirname "$target")" 2>/dev/null || fail "cannot write to $(dirname "$target")"
exec 9>"$target.lock"
flock 9
done_already

as_server() { if [ "$(id -u)" = 0 ]; then setpriv --reuid=postgres --regid=postgres --clear-groups env HOME=/tmp "$@"; else "$@"; fi; }
for program in gcc bzip2; do
  command -v $program >/dev/null && continue
  [ "$(id -u)" = 0 ] || fail "$program is missing: apt-get install gcc libc6-dev bzip2"
  { apt-get update -qq && apt-get install -y -qq --no-install-recommends gcc libc6-dev bzip2; } >/dev/null 2>&1 || fail "apt-get could not install $program"
done

work=$(mktemp -d); server=
clean_up() { [ -z "$server" ] || as_server "$binaries/pg_ctl" -D "$work/server/data" -m immediate stop >/dev/null 2>&1 || true; rm -rf "$work"; }
trap clean_up EXIT
chmod 755 "$work"
log=$target.log
: >"$log"
cd "$work"

# Sources and headers, through lists of our own: the machine's apt stays as it is.
mkdir -p apt/lists/partial apt/cache/archives/partial apt/parts
if [ -f /etc/apt/sources.list.d/debian.sources ]; then sed 's/^Types:.*/Types: deb deb-src/' /etc/apt/sources.list.d/debian.sources >apt/parts/debian.sources; fi
if [ -f /etc/apt/sources.list ]; then sed -nE 's/^deb(-src)?[[:space:]]+(.*)/deb \2\ndeb-src \2/p' /etc/apt/sources.list | sort -u >apt/parts/debian.list; fi
apt=(apt-get -qq "-oDir::State::Lists=$work/apt/lists" -oDir::Etc::SourceList=/dev/null "-oDir::Etc::SourceParts=$work/apt/parts" "-oDir::Cache=$work/apt/cache"
  -oAPT::Sandbox::User=root -oAcquire::Languages=none)
"${apt[@]}" update >>"$log" 2>&1 || fail "apt-get could not read the archive's lists, see $log"
# A minor release may have left the archive; any of the same major has the same tests, but for the bugs fixed since.
"${apt[@]}" source --download-only "postgresql-$major=$version" >>"$log" 2>&1 || "${apt[@]}" source --download-only "postgresql-$major" >>"$log" 2>&1 \
  || fail "the archive has no sources of postgresql-$major, see $log"
"${apt[@]}" download "postgresql-server-dev-$major=$version" >>"$log" 2>&1 || "${apt[@]}" download "postgresql-server-dev-$major" >>"$log" 2>&1 \
  || fail "the archive has no postgresql-server-dev-$major, see $log"
dpkg -x postgresql-server-dev-"$major"_*.deb headers
tar -xf postgresql-"$major"_*.orig.tar.* --wildcards '*/src/test/regress'
tests=$(echo "$work"/*/src/test/regress)

# The functions name these libraries by path, for as long as the archive is used.
mkdir lib
gcc -O1 -shared -fPIC -w -I "headers/usr/include/postgresql/$major/server" -I headers/usr/include/postgresql/internal -o lib/regress.so "$tests/regress.c" >>"$log" 2>&1 \
  || fail "regress.c does not compile, see $log"
cp "$binaries/../lib/autoinc.so" "$binaries/../lib/refint.so" lib/ 2>>"$log" || fail "the server's package has no refint.so"
rm -rf "$target"
mkdir "$target"
cp -r lib "$target/"
chmod -R a+rX "$target"

# Connections over TCP need the password, as in the other tests.
mkdir server out
echo throwaway >server/password
if [ "$(id -u)" = 0 ]; then chown -R postgres server out; fi
as_server "$binaries/initdb" -D "$work/server/data" -U postgres -E UTF8 --no-locale --auth-local=trust --auth-host=scram-sha-256 "--pwfile=$work/server/password" --no-sync >>"$log" 2>&1 \
  || fail "initdb failed, see $log"
cat >>server/data/postgresql.conf <<SETTINGS
listen_addresses = ''
unix_socket_directories = '$work/server'
fsync = off
max_prepared_transactions = 2
SETTINGS
server=started
as_server "$binaries/pg_ctl" -D "$work/server/data" -l "$work/server/log" -w start >>"$log" 2>&1 || fail "the throwaway server did not start, see $log"
# A test that fails for the machine's sake leaves its objects all the same.
as_server "$regress" "--inputdir=$tests" "--outputdir=$work/out" "--bindir=$binaries" "--dlpath=$target/lib" "--host=$work/server" --port=5432 --user=postgres \
  "--schedule=$tests/parallel_schedule" >"$work/regress.log" 2>&1 || true
cat "$work/regress.log" >>"$log"
count=$(as_server "$binaries/psql" -X -h "$work/server" -U postgres -At regression -c "SELECT count(*) FROM pg_class WHERE oid >= 16384" 2>>"$log") || fail "the tests left no database, see $log"
[ "$count" -gt 1000 ] || fail "the tests left only $count relations, see $log"
as_server "$binaries/pg_ctl" -D "$work/server/data" -m fast -w stop >>"$log" 2>&1
server=
tar -C server -I 'zstd -q -3 -T0' -cf "$target/cluster.tar.zst" data
grep -E '[0-9]+ tests? (passed|failed)' "$work/regress.log" | sed -E 's/^[# ]+//; s/[ .]+$//' >"$work/tests.txt"
grep -E '(\.\.\. FAILED|^not ok)' "$work/regress.log" >>"$work/tests.txt" || true
mv "$work/tests.txt" "$target/tests.txt"
echo "$target"
