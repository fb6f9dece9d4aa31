#!/bin/bash
# Starts a Kubernetes control plane as plain processes, with two nodes that kwok plays. Usage:
# start.sh FOLDER API_PORT ETCD_PORT [ADDRESS]. With an address, the API listens there instead of on 127.0.0.1, and there is
# no node: node.sh brings a real one. Their pids are in FOLDER/run for stop.sh, the superuser's configuration is
# FOLDER/admin.kubeconfig. Returns when pods can be scheduled. Environment: HOLDFAST_TEST_CACHE (where install.sh builds).
set -euo pipefail

folder=${1:?folder} port=${2:?API port} etcd_port=${3:?etcd port} address=${4:-127.0.0.1}
played=$([ $# = 4 ] || echo kwok) for_kubelets=()
here=$(cd "$(dirname "$0")" && pwd)
programs=$("$here/install.sh")
umask 077
mkdir -p "$folder"/{pki,log,run,etcd}
export HOLDFAST_TEST_CLUSTER=$folder KUBECACHEDIR=$folder/cache KWOK_WORKDIR=$folder/kwok
log=$folder/log/setup.log
fail() { echo "Kubernetes did not start: $*" >&2; tail -qn 3 "$folder"/log/* >&2 || true; "$here/stop.sh" "$folder"; exit 1; }
spawn() { local name=$1; shift; setsid "$@" >"$folder/log/$name.log" 2>&1 </dev/null & echo $! >"$folder/run/$name.pid"; disown; }
runs() { kill -0 "$(cat "$folder/run/$1.pid")" 2>/dev/null || fail "$1 ended"; }
admin() { kubectl --kubeconfig "$folder/admin.kubeconfig" "$@"; }

spawn etcd "$programs/etcd" --data-dir "$folder/etcd" --unsafe-no-fsync --log-level warn --name default \
  --listen-client-urls "http://127.0.0.1:$etcd_port" --advertise-client-urls "http://127.0.0.1:$etcd_port" \
  --listen-peer-urls http://127.0.0.1:0

# A certificate authority of its own, which both the server and its clients are known by.
pki=$folder/pki
new_key=(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes)
openssl req -x509 "${new_key[@]}" -keyout "$pki/ca.key" -out "$pki/ca.crt" -subj /CN=holdfast-test -days 7 2>>"$log" || fail "openssl req"
certificate() { # NAME SUBJECT EXTENSION...
  local name=$1 subject=$2; shift 2
  openssl req -new "${new_key[@]}" -keyout "$pki/$name.key" -out "$pki/$name.csr" -subj "$subject" 2>>"$log" || fail "openssl req"
  openssl x509 -req -in "$pki/$name.csr" -CA "$pki/ca.crt" -CAkey "$pki/ca.key" -CAcreateserial -out "$pki/$name.crt" -days 7 \
    -extfile <(printf '%s\n' "$@") 2>>"$log" || fail "openssl x509"
}
kubeconfig() { # NAME
  cat >"$folder/$1.kubeconfig" <<CONF
apiVersion: v1
kind: Config
clusters: [{name: holdfast-test, cluster: {server: "https://$address:$port", certificate-authority-data: $(base64 -w0 "$pki/ca.crt")}}]
users: [{name: $1, user: {client-certificate-data: $(base64 -w0 "$pki/$1.crt"), client-key-data: $(base64 -w0 "$pki/$1.key")}}]
contexts: [{name: holdfast-test, context: {cluster: holdfast-test, user: $1}}]
current-context: holdfast-test
CONF
}
certificate apiserver /CN=kube-apiserver subjectAltName=IP:$address,IP:127.0.0.1,DNS:localhost,DNS:kubernetes.default.svc extendedKeyUsage=serverAuth
certificate admin /O=system:masters/CN=admin extendedKeyUsage=clientAuth
certificate controller-manager /CN=system:kube-controller-manager extendedKeyUsage=clientAuth
certificate scheduler /CN=system:kube-scheduler extendedKeyUsage=clientAuth
openssl ecparam -genkey -name prime256v1 -noout -out "$pki/service-account.key" 2>>"$log" || fail "openssl ecparam"
for name in admin controller-manager scheduler; do kubeconfig "$name"; done
if [ -z "$played" ]; then
  # A kubelet and the API know each other by certificates, and pods the API by a ConfigMap of their namespace.
  certificate kubelet /O=system:nodes/CN=system:node:real "subjectAltName=IP:$address" extendedKeyUsage=serverAuth,clientAuth
  certificate kubelet-client /CN=kube-apiserver-kubelet-client extendedKeyUsage=clientAuth
  kubeconfig kubelet
  for_kubelets=(--kubelet-client-certificate "$pki/kubelet-client.crt" --kubelet-client-key "$pki/kubelet-client.key"
    --kubelet-certificate-authority "$pki/ca.crt" --kubelet-preferred-address-types InternalIP)
fi

# Nothing here watches over nodes, so none may start out as unschedulable.
spawn apiserver "$programs/kube-apiserver" --bind-address "$address" --secure-port "$port" --advertise-address "$address" \
  --endpoint-reconciler-type none --etcd-servers "http://127.0.0.1:$etcd_port" --authorization-mode RBAC,Node \
  --client-ca-file "$pki/ca.crt" --tls-cert-file "$pki/apiserver.crt" --tls-private-key-file "$pki/apiserver.key" \
  --service-account-issuer https://kubernetes.default.svc --service-account-key-file "$pki/service-account.key" \
  --service-account-signing-key-file "$pki/service-account.key" --service-cluster-ip-range 10.96.0.0/16 \
  --disable-admission-plugins TaintNodesByCondition --enable-priority-and-fairness=false "${for_kubelets[@]}"
for _ in $(seq 300); do
  runs etcd
  runs apiserver
  if answered=$(admin get --raw /readyz 2>>"$log"); then break; fi
  sleep 0.1
done
[ "${answered:-}" = ok ] || fail "the API does not answer on port $port"

controllers=(deployment replicaset statefulset daemonset job cronjob namespace serviceaccount garbage-collector pod-garbage-collector
  endpointslice disruption resourcequota ttl-after-finished clusterrole-aggregation)
[ -n "$played" ] || controllers+=(root-ca-certificate-publisher persistentvolume-binder)
spawn controller-manager "$programs/kube-controller-manager" --kubeconfig "$folder/controller-manager.kubeconfig" --leader-elect=false --use-service-account-credentials \
  --root-ca-file "$pki/ca.crt" --secure-port 0 --controllers "$(IFS=,; echo "${controllers[*]/%/-controller}")"
spawn scheduler "$programs/kube-scheduler" --kubeconfig "$folder/scheduler.kubeconfig" --leader-elect=false --secure-port 0
if [ -n "$played" ]; then
  spawn kwok "$programs/kwok" --kubeconfig "$folder/admin.kubeconfig" --config "$here/pods.yaml" --manage-all-nodes --node-port 0 --cidr 10.244.0.1/16
  admin apply -f "$here/nodes.yaml" >>"$log" 2>&1 || fail "the nodes were not taken"
  admin wait --for condition=Ready node --all --timeout 30s >>"$log" 2>&1 || fail "the nodes do not become ready"
fi
admin wait --for create serviceaccount/default --namespace default --timeout 30s >>"$log" 2>&1 || fail "the controllers do not work"
for name in etcd apiserver controller-manager scheduler $played; do runs "$name"; done
