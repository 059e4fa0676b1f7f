# shellcheck shell=sh disable=SC2046
# look.sh [ALL] prints what a host is on, and what it would take to boot it.
echo "running $(readlink -f /run/current-system)"
echo "profile $(readlink -f /nix/var/nix/profiles/system)"
echo "generation $(readlink /nix/var/nix/profiles/system)"
entry=$(sed -n 's/^default //p' /boot/loader/loader.conf)
init=$(sed -n 's/^options init=\([^ ]*\).*/\1/p' "/boot/loader/entries/$entry")
echo "boot ${init%/init}"
for s in /run/current-system /nix/var/nix/profiles/system "${init%/init}"; do
  [ -x "$s/init" ] || echo "problem $s/init is not there"
done
[ -n "$1" ] || exit 0
nix-store --verify-path $(nix-store -qR /run/current-system /nix/var/nix/profiles/system "${init%/init}") 2>&1 | sed 's/^/problem /'
