#!/bin/bash
# Makes sure that start-node.sh can start a real node here; as root on Debian, a missing nftables is installed. What is built
# is install.sh's to see to. Exits with 3 and one line of stderr where it cannot. Usage: ensure-node.sh [enforce]
set -euo pipefail

cannot() { echo "no real Kubernetes node: $*" >&2; exit 3; }

[ "$(id -u)" = 0 ] || cannot "only root can start one"
# They come with Debian's Docker, whose own are left alone.
for program in containerd containerd-shim-runc-v2 runc ctr ip unshare; do command -v "$program" >/dev/null || cannot "$program is not on this machine"; done
[ -d /sys/fs/cgroup/memory ] || [ -f /sys/fs/cgroup/cgroup.controllers ] || cannot "there are no cgroups"
if [ "${1:-}" = enforce ] && ! command -v nft >/dev/null; then
  command -v apt-get >/dev/null || cannot "nft is not on this machine"
  export DEBIAN_FRONTEND=noninteractive
  apt-cache show nftables >/dev/null 2>&1 || apt-get update -qq
  apt-get install -y -qq --no-install-recommends nftables >/dev/null || cannot "nftables could not be installed"
fi
