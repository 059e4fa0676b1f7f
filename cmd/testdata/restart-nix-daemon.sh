#!/bin/sh
# Makes a home for the user ann, and restarts the Nix daemon.
mkdir -p /home/ann && chown 1000:1000 /home/ann
pkill -x nix-daemon
rm -f /nix/var/nix/daemon-socket/socket
setsid nix-daemon </dev/null >/dev/null 2>&1 &
i=0
until [ -S /nix/var/nix/daemon-socket/socket ] || [ $i = 300 ]; do
  sleep 0.1
  i=$((i + 1))
done
