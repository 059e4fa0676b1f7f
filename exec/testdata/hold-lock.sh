# shellcheck shell=sh
# hold-lock.sh SECONDS holds NixOS's lock as another activation does.
mkdir -p /run/nixos
setsid flock /run/nixos/switch-to-configuration.lock sleep "$1" </dev/null >/dev/null 2>&1 &
sleep 0.2
