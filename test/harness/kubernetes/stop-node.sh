#!/bin/bash
# Ends what start-node.sh started, at once since nothing of it is kept, and waits until it is gone. Usage: stop-node.sh FOLDER
folder=${1:?folder}
number=$(cat "$folder/run/number" 2>/dev/null) || exit 0
pid=$(cat "$folder/run/node.pid" 2>/dev/null)
# A recycled pid is somebody else's: only a process that was given this folder's name is ours.
ours() { { tr '\0' '\n' <"/proc/$1/environ"; } 2>/dev/null | grep -qxF "HOLDFAST_TEST_CLUSTER=$folder"; }
if [ -n "$pid" ] && ours "$pid"; then
  inside=$(pgrep -P "$pid")
  # The first process of a PID namespace takes all others with it.
  kill -9 $inside "$pid" 2>/dev/null
  # One that was killed but not yet reaped keeps its entry, but none of its threads has a program any more.
  for each in $inside $pid; do
    for _ in $(seq 200); do [ -n "$(readlink "/proc/$each"/task/*/exe 2>/dev/null)" ] || break; sleep 0.05; done
  done
fi
ip link delete "holdfast-n$number" 2>/dev/null
# Cgroups can be removed once their processes have been reaped.
for _ in $(seq 100); do
  left=$(find /sys/fs/cgroup -depth -type d -path "*/holdfast-n$number*" 2>/dev/null)
  [ -n "$left" ] || break
  rmdir $left 2>/dev/null
  sleep 0.05
done
rm -f "$folder/run/number" "$folder/run/node.pid"
[ -z "$left" ] || { echo "cgroups of holdfast-n$number are left" >&2; exit 1; }
exit 0
