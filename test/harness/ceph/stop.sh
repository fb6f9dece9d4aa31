#!/bin/bash
# Ends what start.sh started, the gateway first, and waits until it is gone. Usage: stop.sh FOLDER
folder=${1:?folder}
for name in rgw osd mon; do
  pid=$(cat "$folder/run/$name.pid" 2>/dev/null) || continue
  # A recycled pid is somebody else's: only a process that was given this folder's configuration is ours.
  tr '\0' '\n' <"/proc/$pid/environ" 2>/dev/null | grep -qxF "CEPH_CONF=$folder/ceph.conf" || continue
  kill "$pid" 2>/dev/null
  for _ in $(seq 50); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
  kill -9 "$pid" 2>/dev/null
  rm -f "$folder/run/$name.pid"
done
exit 0
