#!/usr/bin/env bash
# Builds the application in three releases, holdfast-test/app:{1.4.1,1.4.2,1.5.0}, and its database holdfast-test/app-db:local,
# on top of the image that make-images.sh makes. Each release brings its migrations and reads what it needs; 1.5.0 is broken:
# it reads a column that no migration makes. Nothing is built again while the sources are the same.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
migrations=$here/../../fixtures/app/migrations
exec 9>"${TMPDIR:-/tmp}/holdfast-make-app-images.lock"
flock 9

sources=$(cd "$here" && cat make-app-images.sh app/* ../../fixtures/app/migrations/*/migration.sql && docker image inspect --format '{{.Id}}' holdfast-test/postgres:local)
sources=$(printf '%s' "$sources" | sha256sum | cut -d' ' -f1)
images=(holdfast-test/app-db:local holdfast-test/app:1.4.1 holdfast-test/app:1.4.2 holdfast-test/app:1.5.0)
found=$(docker image inspect --format '{{index .Config.Labels "holdfast-test.sources"}}' "${images[@]}" 2>/dev/null || true)
[ "$(grep -cx "$sources" <<<"$found")" != "${#images[@]}" ] || exit 0

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mkdir "$work/db"
install -m 755 "$here/app/database.sh" "$work/db/"
cat >"$work/db/Dockerfile" <<DOCKERFILE
FROM holdfast-test/postgres:local
COPY database.sh /usr/bin/
VOLUME /var/lib/postgresql
ENTRYPOINT ["database.sh"]
LABEL holdfast-test.sources=$sources
DOCKERFILE
docker build -q -t holdfast-test/app-db:local "$work/db" >/dev/null

# make RELEASE FIRST-MIGRATIONS READS...
make() {
  local release=$1 count=$2 folder=$work/$1
  shift 2
  mkdir -p "$folder/app/migrations"
  install -m 755 "$here/app/app.sh" "$here/app/respond" "$folder/app/"
  ls -d "$migrations"/*/ | head -n "$count" | while read -r migration; do cp -r "$migration" "$folder/app/migrations/"; done
  echo "$release" >"$folder/app/release"
  printf '%s\n' "$@" >"$folder/app/reads"
  cat >"$folder/Dockerfile" <<DOCKERFILE
FROM holdfast-test/postgres:local
COPY app /app
EXPOSE 8080
HEALTHCHECK --interval=2s --timeout=5s --start-period=5s --retries=2 CMD ["/app/app.sh", "healthcheck"]
ENTRYPOINT ["/app/app.sh"]
CMD ["serve"]
LABEL holdfast-test.release=$release
LABEL holdfast-test.sources=$sources
DOCKERFILE
  docker build -q -t "holdfast-test/app:$release" "$folder" >/dev/null
}

visits='SELECT id, patient_id, note FROM visits LIMIT 1;'
make 1.4.1 1 'SELECT id, name, phone FROM patients LIMIT 1;' "$visits"
make 1.4.2 2 'SELECT id, name, phone, email FROM patients LIMIT 1;' "$visits"
make 1.5.0 3 'SELECT id, full_name, email, insurance_number FROM patients LIMIT 1;' "$visits"
