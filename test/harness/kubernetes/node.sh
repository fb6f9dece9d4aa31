#!/bin/bash
# The first process of a real node's namespaces; start-node.sh starts it. Brings up the network, the control plane, containerd
# and kubelet, says so in FOLDER/run/ready, and ends when one of them does. Usage: node.sh FOLDER NUMBER PROGRAMS [enforce]
set -euo pipefail
umask 022 # what is made here is seen by the containers' own users

folder=$1 number=$2 programs=$3 enforce=$4
here=$(cd "$(dirname "$0")" && pwd)
host=10.243.$number.1 address=10.243.$number.2 pods=10.244.$number.0/24
spawn() { local name=$1; shift; setsid "$@" >"$folder/log/$name.log" 2>&1 </dev/null & echo $! >"$folder/run/$name.pid"; }
admin() { kubectl --kubeconfig "$folder/admin.kubeconfig" "$@"; }
until_true() { local what=$1; shift; for _ in $(seq 600); do if "$@" >/dev/null 2>&1; then return; fi; sleep 0.05; done; echo "$what"; exit 1; }

# Paths that containerd, kubelet and the plugins have built in.
for each in /run /var/lib /var/log; do mount -t tmpfs -o mode=755 tmpfs "$each"; done
mkdir -p /run/lock /var/lib/kubelet /var/lib/cni
# What kubelet would set for the whole machine seems to be set already.
mkdir "$folder/sysctl"
while read -r name value; do
  file=$folder/sysctl/${name//\//.}
  echo "$value" >"$file"
  mount --bind "$file" "/proc/sys/$name"
done <<'SYSCTL'
vm/overcommit_memory 1
vm/panic_on_oom 0
kernel/panic 10
kernel/panic_on_oops 1
kernel/keys/root_maxkeys 1000000
kernel/keys/root_maxbytes 25000000
SYSCTL

until_true "no network" ip link show "holdfast-p$number"
hostname real
ip link set lo up
ip link set "holdfast-p$number" name eth0
ip address add "$address/30" dev eth0
ip link set eth0 up
echo 1 >/proc/sys/net/ipv4/ip_forward
echo 1 | tee /proc/sys/net/ipv6/conf/{all,default}/disable_ipv6 >/dev/null
# Without a default route: pods reach each other, the node and its host, and nothing else.

mkdir -p "$folder"/containerd/{root,state,net.d}
cat >"$folder/containerd/config.toml" <<CONF
version = 2
root = "$folder/containerd/root"
state = "$folder/containerd/state"
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.internal.v1.tracing"]
[grpc]
  address = "$folder/run/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "holdfast.test/pause:1"
  # Where root may not make processes safer from the kernel than itself.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "$programs"
    conf_dir = "$folder/containerd/net.d"
CONF
cat >"$folder/containerd/net.d/10-holdfast.conflist" <<CONF
{"cniVersion": "1.0.0", "name": "holdfast", "plugins": [{"type": "ptp", "ipMasq": false, "ipam": {"type": "host-local", "ranges": [[{"subnet": "$pods"}]], "routes": [{"dst": "0.0.0.0/0"}]}}]}
CONF
spawn containerd containerd --config "$folder/containerd/config.toml"

"$here/start.sh" "$folder" 6443 2379 "$address"

# The pause image, as docker-save would write it.
image=$folder/containerd/pause
mkdir "$image"
tar -C "$programs" --transform 's,^,/,' -cf "$image/layer.tar" pause 2>/dev/null
cat >"$image/config.json" <<CONF
{"architecture": "$(go_arch() { case $(uname -m) in aarch64) echo arm64 ;; *) echo amd64 ;; esac; }; go_arch)", "os": "linux", "config": {"Entrypoint": ["/pause"]}, "rootfs": {"type": "layers", "diff_ids": ["sha256:$(sha256sum <"$image/layer.tar" | cut -d' ' -f1)"]}}
CONF
echo '[{"Config": "config.json", "RepoTags": ["holdfast.test/pause:1"], "Layers": ["layer.tar"]}]' >"$image/manifest.json"
ctr=(ctr --address "$folder/run/containerd.sock" --namespace k8s.io)
until_true "containerd does not answer" "${ctr[@]}" version
tar -C "$image" -c manifest.json config.json layer.tar | "${ctr[@]}" images import - >/dev/null

cgroup=/holdfast-n$number
for hierarchy in /sys/fs/cgroup/*/; do [ ! -f "$hierarchy/cgroup.procs" ] || mkdir -p "$hierarchy$cgroup"; done
mkdir -p "$folder"/kubelet/{root,plugins,pods-log}
cat >"$folder/kubelet/config.yaml" <<CONF
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: $address
healthzPort: 0
readOnlyPort: 0
tlsCertFile: $folder/pki/kubelet.crt
tlsPrivateKeyFile: $folder/pki/kubelet.key
authentication: {anonymous: {enabled: false}, webhook: {enabled: false}, x509: {clientCAFile: $folder/pki/ca.crt}}
authorization: {mode: AlwaysAllow}
containerRuntimeEndpoint: unix://$folder/run/containerd.sock
cgroupDriver: cgroupfs
cgroupRoot: $cgroup
podLogsDir: $folder/kubelet/pods-log
volumePluginDir: $folder/kubelet/plugins
resolvConf: ""
failSwapOn: false
makeIPTablesUtilChains: false
enforceNodeAllocatable: [none]
imageGCHighThresholdPercent: 100
evictionHard: {memory.available: 50Mi, nodefs.available: 0%, imagefs.available: 0%, nodefs.inodesFree: 0%}
nodeStatusUpdateFrequency: 5s
oomScoreAdj: 0
maxPods: 60
CONF
spawn kubelet "$programs/kubelet" --config "$folder/kubelet/config.yaml" --kubeconfig "$folder/kubelet.kubeconfig" --root-dir "$folder/kubelet/root" \
  --hostname-override real --node-ip "$address" --v 1
[ -z "$enforce" ] || spawn policies "$programs/policies" --kubeconfig "$folder/admin.kubeconfig" --pods "$pods" --ready "$folder/run/policies.ready"
admin wait --for create node/real --timeout 40s
admin wait --for condition=Ready node/real --timeout 40s
[ -z "$enforce" ] || until_true "policies are not enforced" test -e "$folder/run/policies.ready"
touch "$folder/run/ready"
wait -n
echo "one of the node's programs ended"
