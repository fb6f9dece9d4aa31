#!/bin/bash
# Starts a Kubernetes cluster whose one node is real: kubelet, this machine's containerd and runc, and with "enforce" a program
# that enforces NetworkPolicies. Usage: start-node.sh FOLDER [enforce]. Needs root; exits with 3 and one line where the machine
# lacks something. FOLDER/admin.kubeconfig is the superuser's, FOLDER/run/containerd.sock takes images. See node.sh.
#
# All of it lives in namespaces of its own (processes, mounts, network), whose first process is node.sh: when that ends, so do
# containers, mounts, interfaces and firewall rules, and neither Docker nor the machine's own network is touched. What is
# outside is one network interface, the node's cgroups and FOLDER; stop-node.sh removes the first two.
set -euo pipefail

folder=${1:?folder} enforce=${2:-}
here=$(cd "$(dirname "$0")" && pwd)
fail() { echo "the real Kubernetes node did not start: $*" >&2; tail -qn 5 "$folder"/log/* >&2 || true; "$here/stop-node.sh" "$folder"; exit 1; }

"$here/ensure-node.sh" ${enforce:+enforce} || exit
programs=$("$here/install.sh")
umask 077
mkdir -p "$folder"/{log,run}
export HOLDFAST_TEST_CLUSTER=$folder

# Each node has a number, which its addresses are made of; who makes the interface of that name has it.
for number in $(seq 0 99); do
  [ -z "$(ip route show root "10.244.$number.0/24"; ip route show root "10.243.$number.0/30")" ] || continue
  echo "$number" >"$folder/run/number"
  if ip link add "holdfast-n$number" type veth peer name "holdfast-p$number" 2>>"$folder/log/setup.log"; then claimed=yes; break; fi
  rm "$folder/run/number"
done
[ -n "${claimed:-}" ] || fail "no number is free"

setsid unshare --fork --kill-child --pid --mount-proc --mount --net --ipc --uts --propagation private \
  bash "$here/node.sh" "$folder" "$number" "$programs" "$enforce" >"$folder/log/node.log" 2>&1 </dev/null &
outside=$!
disown
echo "$outside" >"$folder/run/node.pid"
for _ in $(seq 100); do inside=$(pgrep -P "$outside") && break; sleep 0.05; done
[ -n "${inside:-}" ] || fail "it has no process"
ip link set "holdfast-p$number" netns "$inside"
ip address add "10.243.$number.1/30" dev "holdfast-n$number"
ip link set "holdfast-n$number" up
ip route add "10.244.$number.0/24" via "10.243.$number.2"
for _ in $(seq 900); do
  [ ! -e "$folder/run/ready" ] || exit 0
  kill -0 "$outside" 2>/dev/null || fail "it ended"
  sleep 0.1
done
fail "it is not ready after 90 s"
