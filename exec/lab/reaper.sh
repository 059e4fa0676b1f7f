#!/bin/sh
# Removes what the kernel does not, once the process that runs the lab has ended: reaper.sh DIRECTORY CONTROL-GROUP.
read -r _
rm -rf -- "$1"
[ -n "$2" ] || exit 0

# The control groups are empty as soon as the last process is gone. The hierarchy is mounted for a moment, unseen by others.
mkdir "$1" && mount -t cgroup2 cgroup2 "$1" || exit
for _ in $(seq 200); do
  [ -d "$1/$2" ] || break
  find "$1/$2" -depth -type d -exec rmdir {} + 2>/dev/null && break
  sleep 0.05
done
umount "$1"
rmdir "$1"
