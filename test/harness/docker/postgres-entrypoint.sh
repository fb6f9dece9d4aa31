#!/bin/sh
# Serves a fresh cluster: the superuser logs in over the socket without a password, over TCP with POSTGRES_PASSWORD.
# With a command, runs that instead.
set -eu
[ $# = 0 ] || exec "$@"
data=/var/lib/postgresql/data
if [ "$(id -u)" = 0 ]; then
  printf '%s\n' "$POSTGRES_PASSWORD" >/tmp/password
  chown postgres /tmp/password
  chmod 600 /tmp/password
  exec start-stop-daemon --start --chuid postgres:postgres --exec /bin/sh -- "$0"
fi
initdb -D "$data" -U postgres -E UTF8 --locale=C.UTF-8 --auth-local=trust --auth-host=scram-sha-256 --pwfile=/tmp/password --no-sync >/dev/null
echo 'host all all all scram-sha-256' >>"$data/pg_hba.conf"
exec postgres -D "$data" -c listen_addresses='*' -c unix_socket_directories=/run/postgresql,/tmp -c fsync=off
