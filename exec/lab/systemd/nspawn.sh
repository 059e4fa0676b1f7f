#!/bin/sh
# Starts a systemd host as the first process of a process namespace, so that all of it ends with this process:
# nspawn.sh ROOT NAME NETWORK-NAMESPACE. systemd-nspawn ends with status 133 when the host restarts.
#
# It sees its own processes and nothing of this machine's systemd; its control groups are a hierarchy of their own, whatever
# this machine has.
mount -t proc proc /proc
mount -t tmpfs run /run
mount -t cgroup2 cgroup2 /sys/fs/cgroup
exec systemd-nspawn --quiet --directory="$1" --machine="$2" --hostname="$2" --network-namespace-path="$3" --register=no --keep-unit \
  --console=pipe --capability=all --resolv-conf=off --timezone=off --link-journal=no -- /usr/lib/muster-lab/init </dev/null
