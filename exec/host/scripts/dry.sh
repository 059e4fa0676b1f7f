# shellcheck shell=sh
# dry.sh SYSTEM has a system that the host has say what switching to it would do.
# NixOS takes a lock for that, a file in /run/nixos. The lock is made on a file
# system that only this process sees, so that nothing is left of it.
[ -x "$1/bin/switch-to-configuration" ] || exit 1
if [ -d /run/systemd/system ]; then
  [ -d /run/nixos ] || exit 1
  # shellcheck disable=SC2016
  exec unshare --mount sh -c 'mount -t tmpfs tmpfs /run/nixos && exec "$1/bin/switch-to-configuration" dry-activate' sh "$1" 2>&1
fi
exec "$1/bin/switch-to-configuration" dry-activate 2>&1
