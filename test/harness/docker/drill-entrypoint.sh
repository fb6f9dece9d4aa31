#!/bin/sh
# Makes a cluster in PGDATA, initialises it with a server that listens on its sockets only, and then serves it as process 1.
set -eu
[ "${1:-}" = postgres ] || exec "$@"
if [ "$(id -u)" = 0 ]; then
  mkdir -p "$PGDATA" /var/run/postgresql
  chmod 700 "$PGDATA"
  chown postgres:postgres "$PGDATA" /var/run/postgresql
  exec start-stop-daemon --start --chuid postgres:postgres --exec /bin/sh -- "$0" "$@"
fi
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  [ -n "${POSTGRES_PASSWORD:-}" ] || [ "${POSTGRES_HOST_AUTH_METHOD:-}" = trust ] || { echo 'Error: the superuser has no password' >&2; exit 1; }
  # shellcheck disable=SC2086
  initdb -U "${POSTGRES_USER:-postgres}" --auth-local=trust --auth-host=trust ${POSTGRES_INITDB_ARGS:-} >/dev/null
  echo "host all all all ${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}" >>"$PGDATA/pg_hba.conf"
  shift
  pg_ctl -s -w -o "$* -c listen_addresses=''" start
  sleep 0.5
  pg_ctl -s -m fast -w stop
  set -- postgres "$@"
fi
exec "$@"
