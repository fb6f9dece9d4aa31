#!/usr/bin/env bash
# Builds holdfast-test/drill-postgres:MAJOR on top of the image that make-images.sh makes: it takes the variables, the arguments
# and the volume of the official image of PostgreSQL, and starts as that does, with a first server that only initialises.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
major=$(basename "$(dirname "${1:?the folder with the programs of PostgreSQL}")")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$here/drill-entrypoint.sh" "$work/"
cat >"$work/Dockerfile" <<'DOCKERFILE'
FROM holdfast-test/postgres:local
COPY drill-entrypoint.sh /usr/bin/
ENV PGDATA=/var/lib/postgresql/data
VOLUME /var/lib/postgresql/data
ENTRYPOINT ["drill-entrypoint.sh"]
CMD ["postgres"]
DOCKERFILE
docker build -q -t "holdfast-test/drill-postgres:$major" "$work" >/dev/null
