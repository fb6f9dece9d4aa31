#!/usr/bin/env bash
# Makes sure that `docker compose` (version 2) is there. Debian 12 packages version 1 only, so the plugin is unpacked from
# the next release, into the user's plugin folder; nothing is installed. Exits with 3 where it cannot be had.
set -euo pipefail

docker compose version >/dev/null 2>&1 && exit 0
cannot() { echo "$1" >&2; exit 3; }

sources=/etc/apt/sources.list.d/debian.sources
[ "$(id -u)" = 0 ] && [ -r "$sources" ] || cannot "docker compose is missing, and cannot be unpacked here"
mirror=$(awk '/^URIs:/ { print $2; exit }' "$sources")
keyring=$(awk '/^Signed-By:/ { print $2; exit }' "$sources")
plugins=${DOCKER_CONFIG:-$HOME/.docker}/cli-plugins
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
chmod 755 "$work"
echo "deb [signed-by=$keyring] $mirror ${COMPOSE_SUITE:-trixie} main" >"$work/sources.list"
options=(-qq -o "Dir::State::Lists=$work/lists" -o "Dir::Etc::SourceList=$work/sources.list" -o "Dir::Etc::SourceParts=/dev/null"
  -o "Dir::Cache=$work/cache" -o APT::Sandbox::User=root -o Acquire::Languages=none)
cd "$work"
apt-get "${options[@]}" update && apt-get "${options[@]}" download docker-compose || cannot "the package docker-compose could not be fetched"
dpkg -x docker-compose_*.deb unpacked
mkdir -p "$plugins"
install -m 755 unpacked/usr/libexec/docker/cli-plugins/docker-compose "$plugins/docker-compose"
docker compose version >/dev/null
