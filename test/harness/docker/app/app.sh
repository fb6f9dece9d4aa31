#!/bin/sh
# The application: `serve` answers /api/health and /api/patients on port 8080, `worker` looks at the database every second,
# `migrate` applies the migrations of the release. What a release reads stands in /app/reads, a query a line.
set -u
release=$(cat /app/release)
# Prisma's own parameters mean nothing to libpq.
url=${DATABASE_URL%%\?*}
query() { psql "$url" -X -q -A -t -v ON_ERROR_STOP=1 "$@"; }
reads() { PGCONNECT_TIMEOUT=3 query -f /app/reads >/dev/null 2>/tmp/said; }

# Says how the release and the database fit, as JSON; fails where they do not.
health() {
  if reads; then
    echo "{\"status\":\"healthy\",\"version\":\"$release\",\"database\":\"connected\"}"
  elif grep -q 'does not exist$' /tmp/said && grep -Eq '(column|relation) ' /tmp/said; then
    why=$(grep -Eo '(column|relation) .* does not exist' /tmp/said | head -n 1 | tr -d '"\\')
    echo "{\"status\":\"unhealthy\",\"version\":\"$release\",\"database\":\"connected\",\"problem\":\"$why\"}"
    return 1
  else
    echo "{\"status\":\"unhealthy\",\"version\":\"$release\",\"database\":\"unreachable\"}"
    return 1
  fi
}

answer() {
  printf 'HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %s\r\nConnection: close\r\n\r\n%s' "$1" "${#2}" "$2"
}

# One request from stdin, its answer to stdout.
respond() {
  read -r _method path _rest || return 0
  while read -r line && [ "${line%?}" != "" ]; do :; done
  case $path in
    /api/health) if body=$(health); then answer '200 OK' "$body"; else answer '503 Service Unavailable' "$body"; fi ;;
    /api/patients) if body=$(query -c 'SELECT count(*) FROM patients' 2>/dev/null); then answer '200 OK' "{\"patients\":$body}"; else answer '503 Service Unavailable' '{}'; fi ;;
    *) answer '404 Not Found' '{}' ;;
  esac
}

# As Prisma does it: each folder once, in order, with its checksum in the ledger; a failed one stops everything after it.
migrate() {
  until PGCONNECT_TIMEOUT=3 query -c 'SELECT 1' >/dev/null 2>&1; do sleep 0.3; done
  query <<'SQL' || return 1
SET client_min_messages = warning;
CREATE TABLE IF NOT EXISTS _prisma_migrations (
  id VARCHAR(36) PRIMARY KEY, checksum VARCHAR(64) NOT NULL, finished_at TIMESTAMPTZ, migration_name VARCHAR(255) NOT NULL,
  logs TEXT, rolled_back_at TIMESTAMPTZ, started_at TIMESTAMPTZ NOT NULL DEFAULT now(), applied_steps_count INTEGER NOT NULL DEFAULT 0);
SQL
  for folder in /app/migrations/*/; do
    name=$(basename "$folder")
    [ "$(query -c "SELECT count(*) FROM _prisma_migrations WHERE migration_name = '$name' AND finished_at IS NOT NULL AND rolled_back_at IS NULL")" = 0 ] || continue
    id=$(cat /proc/sys/kernel/random/uuid)
    checksum=$(sha256sum "$folder/migration.sql" | cut -d' ' -f1)
    query -c "INSERT INTO _prisma_migrations (id, checksum, migration_name) VALUES ('$id', '$checksum', '$name')" || return 1
    query -1 -f "$folder/migration.sql" || return 1
    query -c "UPDATE _prisma_migrations SET finished_at = now(), applied_steps_count = 1 WHERE id = '$id'" || return 1
    echo "applied $name"
  done
}

# As process 1 a shell without a trap would ignore the signal, and be killed ten seconds later.
until_stopped() {
  "$@" &
  trap 'kill $! 2>/dev/null; exit 0' TERM INT
  wait $!
}

case ${1:-serve} in
  serve) : >/tmp/serves; until_stopped nc -ll -p 8080 -e /app/respond ;;
  worker) until_stopped sh -c 'while :; do /app/app.sh health >/dev/null; sleep 1; done' ;;
  migrate) migrate ;;
  health) health ;;
  healthcheck) if [ -e /tmp/serves ]; then wget -q -O /dev/null http://127.0.0.1:8080/api/health; else health >/dev/null; fi ;;
  respond) respond ;;
  *) exec "$@" ;;
esac
