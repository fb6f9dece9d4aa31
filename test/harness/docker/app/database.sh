#!/bin/sh
# Serves the cluster in the volume, made at the first start with the database POSTGRES_DB in it.
set -eu
data=/var/lib/postgresql/data
if [ "$(id -u)" = 0 ]; then
  mkdir -p "$data"
  chown postgres:postgres "$data"
  chmod 700 "$data"
  exec start-stop-daemon --start --chuid postgres:postgres --exec /bin/sh -- "$0"
fi
if [ ! -s "$data/PG_VERSION" ]; then
  printf '%s\n' "$POSTGRES_PASSWORD" >/tmp/password
  initdb -D "$data" -U postgres -E UTF8 --locale=C.UTF-8 --auth-local=trust --auth-host=scram-sha-256 --pwfile=/tmp/password --no-sync >/dev/null
  rm /tmp/password
  echo 'host all all all scram-sha-256' >>"$data/pg_hba.conf"
  pg_ctl -D "$data" -s -w -o "-c listen_addresses= -c unix_socket_directories=/tmp" start
  psql -h /tmp -U postgres -X -q -c "CREATE DATABASE \"$POSTGRES_DB\""
  pg_ctl -D "$data" -s -m fast -w stop
fi
exec postgres -D "$data" -c listen_addresses='*' -c unix_socket_directories=/run/postgresql,/tmp -c fsync=off
