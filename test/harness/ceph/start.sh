#!/bin/bash
# Starts one Ceph monitor, one memory-backed OSD and a RADOS gateway on 127.0.0.1, as plain processes.
# Usage: start.sh FOLDER S3_PORT MON_PORT. Their pids are in FOLDER/run for stop.sh. Returns when S3 answers.
# Environment: HOLDFAST_TEST_CACHE (where install.sh put Ceph), S3_BYTES (what the OSD may hold), S3_ACCESS_KEY, S3_SECRET_KEY.
set -euo pipefail

folder=${1:?folder} port=${2:?S3 port} mon_port=${3:?monitor port}
ceph=${HOLDFAST_TEST_CACHE:-/var/cache/holdfast}/ceph
libraries=$ceph/usr/lib/x86_64-linux-gnu
export PATH=$ceph/bin:$PATH CEPH_CONF=$folder/ceph.conf
unset CEPH_LIB

mkdir -p "$folder"/{mon,osd,rgw,log,run}
log=$folder/log/setup.log
fail() { echo "Ceph did not start: $*" >&2; tail -n 3 "$folder"/log/* >&2 || true; exit 1; }
uuid() { cat /proc/sys/kernel/random/uuid; }
spawn() { local name=$1; shift; setsid "$@" >"$folder/log/$name.out" 2>&1 </dev/null & echo $! >"$folder/run/$name.pid"; }

# No authentication inside the cluster, one copy of everything, and freed objects gone within seconds.
fsid=$(uuid)
cat >"$CEPH_CONF" <<CONF
[global]
fsid = $fsid
mon host = [v2:127.0.0.1:$mon_port/0]
mon initial members = a
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = none
auth service required = none
auth client required = none
auth supported = none
paxos propose interval = 0.05
paxos min wait = 0.02
mon osd min in ratio = 0
ms bind msgr1 = false
ms cluster mode = crc
ms service mode = crc
ms client mode = crc
ms mon cluster mode = crc
ms mon service mode = crc
ms mon client mode = crc
run dir = $folder/run
admin socket = $folder/run/\$name.asok
log file = $folder/log/\$name.log
crash dir = $folder/log
log to stderr = false
debug ms = 0
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon warn on pool no redundancy = false
mon allow pool delete = true
mon max pg per osd = 1000
mon data avail crit = 1
mon data avail warn = 2
osd objectstore = memstore
memstore device bytes = ${S3_BYTES:-6442450944}
memstore page set = true
osd mclock skip benchmark = true
osd max object name len = 2048
osd class dir = $libraries/rados-classes
erasure code dir = $libraries/ceph/erasure-code
plugin dir = $libraries/ceph
[mon.a]
mon data = $folder/mon
[osd]
osd data = $folder/osd
[client.rgw]
rgw data = $folder/rgw
rgw frontends = beast endpoint=127.0.0.1:$port
rgw dns name = localhost
rgw rados pool pg num min = 1
rgw thread pool size = 64
rgw crypt require ssl = false
rgw crypt s3 kms backend = testing
rgw crypt s3 kms encryption keys = testkey-1=MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=
rgw enable usage log = false
rgw enable ops log = false
rgw gc obj min wait = 1
rgw gc processor period = 5
rgw gc processor max time = 5
CONF

monmaptool --create --clobber --fsid "$fsid" --addv a "[v2:127.0.0.1:$mon_port]" "$folder/monmap" >>"$log" 2>&1 || fail "monmaptool"
ceph-mon --mkfs -i a --monmap "$folder/monmap" >>"$log" 2>&1 || fail "ceph-mon --mkfs"
spawn mon ceph-mon -i a -f
osd=$(uuid)
timeout 60 ceph osd new "$osd" 0 >>"$log" 2>&1 || fail "the monitor does not answer on port $mon_port"
ceph-osd -i 0 --mkfs --osd-uuid "$osd" >>"$log" 2>&1 || fail "ceph-osd --mkfs"
spawn osd ceph-osd -i 0 -f
timeout 20 ceph osd crush add osd.0 1.0 root=default host=localhost >>"$log" 2>&1 || fail "the OSD was not taken into the cluster"
timeout 60 radosgw-admin -n client.rgw user create --uid=test --display-name=test \
  --access-key="${S3_ACCESS_KEY:-testkey}" --secret="${S3_SECRET_KEY:-testsecret}" >>"$log" 2>&1 || fail "no user could be created"
placement=(--placement-id default-placement --storage-class STANDARD_IA)
timeout 30 radosgw-admin -n client.rgw zonegroup placement add --rgw-zonegroup default "${placement[@]}" >>"$log" 2>&1 || fail "no second storage class"
timeout 30 radosgw-admin -n client.rgw zone placement add --rgw-zone default "${placement[@]}" --data-pool default.rgw.buckets.data >>"$log" 2>&1 || fail "no second storage class"
spawn rgw radosgw -n client.rgw -f

for _ in $(seq 300); do
  kill -0 "$(cat "$folder/run/rgw.pid")" 2>/dev/null || fail "the gateway ended"
  if (exec 3<>"/dev/tcp/127.0.0.1/$port" && printf 'GET / HTTP/1.0\r\n\r\n' >&3 && head -c 12 <&3 | grep -q ' 200') 2>/dev/null; then exit 0; fi
  sleep 0.1
done
fail "the gateway does not answer on port $port"
