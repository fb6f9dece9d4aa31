#!/bin/bash
# Ends what start.sh started, at once since nothing of it is kept, and waits until it is gone. Usage: stop.sh FOLDER
folder=${1:?folder}
for name in kwok scheduler controller-manager apiserver etcd; do
  pid=$(cat "$folder/run/$name.pid" 2>/dev/null) || continue
  # A recycled pid is somebody else's: only a process that was given this folder's name is ours.
  { tr '\0' '\n' <"/proc/$pid/environ"; } 2>/dev/null | grep -qxF "HOLDFAST_TEST_CLUSTER=$folder" || continue
  kill -9 "$pid" 2>/dev/null
  # One that was killed but not yet reaped keeps its entry, but none of its threads has a program any more.
  for _ in $(seq 100); do [ -n "$(readlink "/proc/$pid"/task/*/exe 2>/dev/null)" ] || break; sleep 0.05; done
  rm -f "$folder/run/$name.pid"
done
exit 0
