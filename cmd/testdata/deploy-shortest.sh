#!/bin/sh
# The shortest deployment without any care: deploy-shortest.sh SSH-CONFIG HOST SYSTEM [HOST SYSTEM]…
# It is what muster deploy is measured against.
config=$1
shift
deploy() {
  nix-copy-closure --to "$1" "$2" &&
    ssh -F "$config" "$1" nix-env -p /nix/var/nix/profiles/system --set "$2" &&
    ssh -F "$config" "$1" "$2/bin/switch-to-configuration" switch
}
pids=
while [ $# -gt 0 ]; do
  deploy "$1" "$2" &
  pids="$pids $!"
  shift 2
done
status=0
for pid in $pids; do wait "$pid" || status=1; done
exit $status
