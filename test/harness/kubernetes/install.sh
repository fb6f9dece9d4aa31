#!/bin/bash
# Builds a Kubernetes control plane (etcd, kube-apiserver, kube-controller-manager, kube-scheduler), kwok, which plays nodes,
# and what a real node needs beside the machine's containerd (kubelet, plugins for its network, a pause program, and policies,
# which enforces NetworkPolicies), with this machine's Go into a cache folder; installs nothing on the machine. Usage: install.sh [FOLDER].
# Prints the folder of the programs; says on stderr how long a build took. Quick when they are there already; exits with 1
# and one line of stderr when they cannot be had. What is built is told by programs/: new versions get a new folder.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
cache=${1:-${HOLDFAST_TEST_CACHE:-/var/cache/holdfast}/kubernetes}
programs=(etcd kube-apiserver kube-controller-manager kube-scheduler kwok kubelet)
plugins=(ptp host-local loopback pause policies)
fail() { echo "no Kubernetes: $*" >&2; exit 1; }

command -v kubectl >/dev/null || fail "kubectl is not on this machine"
version=$(awk '$1 == "k8s.io/kubernetes" {print $2; exit}' "$here/programs/go.mod")
target=$cache/$version-$(cat "$here"/programs/{go.mod,go.sum,*/*.go} | sha256sum | cut -c1-8)
complete() { local program; for program in "${programs[@]}" "${plugins[@]}"; do [ -x "$target/$program" ] || return 1; done; }
if complete; then echo "$target"; exit 0; fi
PATH=$PATH:/usr/local/go/bin
command -v go >/dev/null || fail "Go, which builds it, is not on this machine"
mkdir -p "$cache" 2>/dev/null && [ -w "$cache" ] || fail "$cache cannot be written to"

# Another run may be at it: build beside, then rename.
exec 9>"$cache/lock"
flock 9
if complete; then echo "$target"; exit 0; fi
log=$target.log
rm -rf "$target".?????? # what a build that was killed left behind
built=$(mktemp -d "$target.XXXXXX")
trap 'rm -rf "$built"' EXIT
chmod 755 "$built"
cd "$here/programs"
export CGO_ENABLED=0 GOFLAGS=-mod=readonly GOTOOLCHAIN=local GOWORK=off
timeout 600 go list -deps tool >"$log" 2>&1 || fail "its Go modules cannot be had ($(grep -v '^go: downloading' "$log" | tail -n 1)), see $log"
# One build for all programs, since they share nine packages of ten. Without debug information, and with a compiler
# that collects its garbage less often, it is a fifth shorter.
GOGC=400 go build -p 2 -trimpath -gcflags=all=-dwarf=false -ldflags "-s -w -X k8s.io/component-base/version.gitVersion=$version" \
  -o "$built/" tool >"$log" 2>&1 || fail "the build failed, see $log"
mv "$built/server" "$built/etcd"
for program in "${programs[@]}"; do "$built/$program" --version >>"$log" 2>&1 || fail "the built $program does not run here, see $log"; done
rm -rf "$target"
mv "$built" "$target"
trap - EXIT
echo "Kubernetes $version built in $SECONDS s" >&2
echo "$target"
