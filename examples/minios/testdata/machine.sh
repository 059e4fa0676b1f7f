#!/bin/sh
# machine.sh STORE DIRECTORY... makes a machine of a mount namespace: STORE is its
# /nix, and each DIRECTORY starts out empty.
mount --make-rprivate / && mount --bind "$1" /nix && shift || exit 1
for dir; do mkdir -p "$dir" && mount -t tmpfs -o mode=0755 none "$dir" || exit 1; done
echo ready
exec sleep 600
