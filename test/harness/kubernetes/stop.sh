#!/bin/bash
# Ends what start.sh started, and waits until it is gone: at once, since nothing of it is kept. Usage: stop.sh FOLDER
folder=${1:?folder}
for name in kwok scheduler controller-manager apiserver etcd; do
  pid=$(cat "$folder/run/$name.pid" 2>/dev/null) || continue
  # A recycled pid is somebody else's: only a process that was given this folder's name is ours.
  { tr "\0" "\n" <"/proc/$pid/environ"; } 2>/dev/null | grep -qxF "HOLDFAST_TEST_CLUSTER=$folder" || continue
  kill -9 "$pid" 2>/dev/null
  for _ in $(seq 50); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
  rm -f "$folder/run/$name.pid"
done
exit 0
