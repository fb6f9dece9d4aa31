#!/usr/bin/env bash
# Makes sure that a Docker engine answers. One that runs is left alone; as root on Debian, a missing one is installed and
# started. Exits with 3, and says why, where none can be had. Two runs at once wait for each other.
set -euo pipefail

log=${DOCKERD_LOG:-${TMPDIR:-/tmp}/holdfast-dockerd.log}
patience=${DOCKERD_WAIT:-40}

answers() { timeout 5 docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }
cannot() { echo "$1" >&2; exit 3; }
# A process that was killed but not reaped keeps its entry in /proc and blocks a new daemon, but has no program any more.
lives() { case "$(readlink "/proc/${1:-none}/exe" 2>/dev/null)" in *"/$2"*) return 0 ;; esac; return 1; }
written_in() { cat "$1" 2>/dev/null || true; }

answers && exit 0
[ "$(id -u)" = 0 ] || cannot "no Docker engine answers, and only root can start one"

exec 9>"${TMPDIR:-/tmp}/holdfast-ensure-docker.lock"
flock 9
answers && exit 0

if ! command -v dockerd >/dev/null; then
  command -v apt-get >/dev/null || cannot "no Docker engine is installed, and this is no Debian"
  export DEBIAN_FRONTEND=noninteractive
  apt-cache show docker.io >/dev/null 2>&1 || apt-get update -qq
  apt-get install -y -qq --no-install-recommends docker.io iptables ca-certificates >/dev/null || cannot "docker.io could not be installed"
fi

if ! lives "$(written_in /var/run/docker.pid)" dockerd; then
  lives "$(written_in /var/run/docker/containerd/containerd.pid)" containerd || rm -f /var/run/docker/containerd/containerd.pid
  rm -f /var/run/docker.pid
  setsid nohup dockerd >>"$log" 2>&1 </dev/null 9>&- &
fi
for _ in $(seq "$((patience * 5))"); do
  answers && exit 0
  sleep 0.2
done
tail -n 5 "$log" >&2
cannot "dockerd did not answer within $patience s"
